// SPDX-License-Identifier: Apache-2.0
//
// vernier profile suggest: which calls are worth calibrating, by how often they come.
#include <map>
#include <tuple>

#include "tools/common/output.hpp"
#include "tools/profile/commands.hpp"
#include "vernier/names.hpp"

namespace vernier::profile {

ExitCode suggest_sizes(const SuggestOptions& options) {
  const auto loaded = load_job(options.directory);
  if (!loaded) return ExitCode::could_not_look;
  // ranks, nodes, collective, bytes: calls, in graphs and in all
  std::map<std::tuple<int, int, std::string, std::uint64_t>,
           std::pair<std::uint64_t, std::uint64_t>>
      calls;
  for (const Row& row : loaded->traffic.rows) {
    // What a policy cannot touch is not worth measuring.
    if (!find_collective(row.operation) || row.protocol.empty() || !row.nbytes || row.bucket)
      continue;
    auto& [captured, all] = calls[{row.ranks, row.nodes, row.operation, *row.nbytes}];
    const std::uint64_t weight = std::max(row.calls.most, row.replayed.most);
    all += weight;
    if (row.captured) captured += weight;
  }
  Json sizes = Json::array();
  for (const auto& [call, weights] : calls) {
    const auto& [ranks, nodes, collective, nbytes] = call;
    sizes.push_back({{"collective", collective},
                     {"bytes", nbytes},
                     {"ranks", ranks},
                     {"nodes", nodes},
                     {"calls_per_process", weights.second},
                     {"captured_per_process", weights.first}});
  }
  print_json({{"vernier_traffic", 1}, {"sizes", sizes}});
  return loaded->whole ? ExitCode::fine : ExitCode::findings;
}

}  // namespace vernier::profile
