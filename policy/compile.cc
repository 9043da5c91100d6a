// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "vernier/policy.hpp"

namespace vernier {

void DecisionTable::set(Collective collective, std::vector<std::uint64_t> max_bytes,
                        std::vector<Range> ranges) {
  PerCollective& table = collectives_[static_cast<std::size_t>(collective)];
  table = {};
  if (ranges.empty()) return;
  table.end_bytes = max_bytes.back() + 1;
  table.max_bytes = std::move(max_bytes);
  table.ranges = std::move(ranges);
  // find() reads first[b] and first[b + 1] for every bucket up to the one of the last upper end.
  const std::size_t buckets = bucket_of(table.end_bytes - 1) + 2;
  const std::size_t last = table.ranges.size() - 1;
  std::size_t range = 0;
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    while (range < last && bucket_of(table.max_bytes[range]) < bucket) ++range;
    table.first.push_back(static_cast<std::uint16_t>(range));
  }
  // The steps of a search sum up to less than twice the number of candidates.
  table.max_bytes.resize(2 * table.ranges.size(), std::numeric_limits<std::uint64_t>::max());
}

AllGatherChannels allgather_channels(std::optional<int> nccl_version) {
  const int version = nccl_version.value_or(22900);
  return version >= 22900 && version < 23100 ? AllGatherChannels::ignore : AllGatherChannels::keep;
}

DecisionTable compile(const Policy& policy, int nranks, int nnodes,
                      AllGatherChannels allgather_channels) {
  DecisionTable table(nranks);
  for (std::size_t c = 0; c < kCollectiveNames.size(); ++c) {
    const auto collective = static_cast<Collective>(c);
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
      const Rule& rule = policy.rules[i];
      if (rule.collective == collective && rule.matches_shape(nranks, nnodes)) chosen.push_back(i);
    }
    std::sort(chosen.begin(), chosen.end(), [&policy](std::size_t a, std::size_t b) {
      return policy.rules[a].min_bytes < policy.rules[b].min_bytes;
    });
    const bool keep_channels =
        collective != Collective::allgather || allgather_channels == AllGatherChannels::keep;
    std::vector<std::uint64_t> max_bytes;
    std::vector<Range> ranges;
    for (const std::size_t i : chosen) {
      const Rule& rule = policy.rules[i];
      const auto number = [](auto value) { return static_cast<std::uint8_t>(value); };
      max_bytes.push_back(rule.max_bytes);
      ranges.push_back({
          .min_bytes = rule.min_bytes,
          .rule = static_cast<std::uint16_t>(i),
          .algorithm = number(rule.choice.algorithm),
          .protocol = number(rule.choice.protocol),
          .instead_of_algorithm =
              rule.instead_of ? number(rule.instead_of->algorithm) : Range::kAny,
          .instead_of_protocol = rule.instead_of ? number(rule.instead_of->protocol) : Range::kAny,
          .channels = keep_channels ? number(rule.channels.value_or(0)) : std::uint8_t{0},
          .alignment = number(rule.alignment.value_or(0)),
      });
    }
    table.set(collective, std::move(max_bytes), std::move(ranges));
  }
  return table;
}

bool gpu_matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern;
}

}  // namespace vernier
