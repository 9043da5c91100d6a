// SPDX-License-Identifier: Apache-2.0
#include "tools/profile/touchable_sizes.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "vernier/names.hpp"

namespace vernier::profile {

workload::Workload touchable_sizes(const Traffic& traffic) {
  std::map<std::tuple<int, int, std::string, std::uint64_t>, workload::Size> sizes;
  for (const Row& row : traffic.rows) {
    // What a policy cannot touch is not worth measuring.
    const auto collective = find_collective(row.operation);
    if (!collective || row.protocol.empty() || !row.nbytes || row.bucket) continue;
    const auto key = std::tuple{row.ranks, row.nodes, row.operation, *row.nbytes};
    workload::Size& size =
        sizes.try_emplace(key, workload::Size{*collective, *row.nbytes, row.ranks, row.nodes, 0, 0})
            .first->second;
    const std::uint64_t calls = std::max(row.calls.most, row.replayed.most);
    size.calls += calls;
    if (row.captured) size.captured += calls;
  }
  workload::Workload workload{"a job's profile", {}, {}, {}};
  for (const auto& [key, size] : sizes) workload.sizes.push_back(size);
  return workload;
}

}  // namespace vernier::profile
