// SPDX-License-Identifier: Apache-2.0
#include "tools/workload/workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "tools/workload/routes.hpp"

namespace vernier::workload {
namespace {

std::string count_text(std::uint64_t least, std::uint64_t most) {
  return least == most ? fmt::to_string(most) : fmt::format("{} to {}", least, most);
}

// Of the steps of one phase: how many calls, how many of them NCCL's, how many of nobody knows
// whom.
struct Counts {
  std::uint64_t steps = 0;
  std::uint64_t least_tokens = 0, most_tokens = 0;
  std::uint64_t least_calls = 0, most_calls = 0;
  std::uint64_t least_nccl = 0, most_nccl = 0;
  std::uint64_t most_unknown = 0;
};

Counts count(const std::vector<Step>& steps, Phase phase) {
  Counts counts;
  for (const Step& step : steps) {
    if (step.phase != phase) continue;
    const std::uint64_t calls = count_calls(step);
    const std::uint64_t nccl = count_nccl_calls(step);
    std::uint64_t unknown = 0;
    for (const Call& call : step.calls) unknown += call.backend == kNotKnown ? call.calls : 0;
    if (counts.steps++ == 0) {
      counts.least_tokens = step.tokens;
      counts.least_calls = calls;
      counts.least_nccl = nccl;
    }
    counts.most_tokens = step.tokens;
    counts.least_calls = std::min(counts.least_calls, calls);
    counts.most_calls = std::max(counts.most_calls, calls);
    counts.least_nccl = std::min(counts.least_nccl, nccl);
    counts.most_nccl = std::max(counts.most_nccl, nccl);
    counts.most_unknown = std::max(counts.most_unknown, unknown);
  }
  return counts;
}

std::string sentence(const Counts& counts, std::string_view name) {
  return fmt::format("A {} step of {} tokens makes {} collectives; NCCL sees {} of them{}.", name,
                     count_text(counts.least_tokens, counts.most_tokens),
                     count_text(counts.least_calls, counts.most_calls),
                     count_text(counts.least_nccl, counts.most_nccl),
                     counts.most_unknown == 0
                         ? ""
                         : fmt::format(", and of up to {} it is not known", counts.most_unknown));
}

}  // namespace

bool Call::reaches_nccl() const { return backend == kNccl; }

std::uint64_t count_calls(const Step& step) {
  std::uint64_t count = 0;
  for (const Call& call : step.calls) count += call.calls;
  return count;
}

std::uint64_t count_nccl_calls(const Step& step) {
  std::uint64_t count = 0;
  for (const Call& call : step.calls) count += call.reaches_nccl() ? call.calls : 0;
  return count;
}

std::vector<Size> sizes_of(const std::vector<Step>& steps) {
  std::map<std::tuple<int, int, Collective, std::uint64_t>, Size> sizes;
  for (const Step& step : steps) {
    for (const Call& call : step.calls) {
      if (!call.reaches_nccl()) continue;
      const auto key = std::tuple{call.ranks, call.nodes, call.collective, call.nbytes};
      Size& size =
          sizes.try_emplace(key, Size{call.collective, call.nbytes, call.ranks, call.nodes, 0, 0})
              .first->second;
      size.calls += call.calls;
      size.captured += call.captured ? call.calls : 0;
    }
  }
  std::vector<Size> list;
  for (const auto& [key, size] : sizes) list.push_back(size);
  return list;
}

std::string verdict(const Workload& workload) {
  std::string text;
  bool unknown = false;
  for (const Phase phase : {Phase::decode, Phase::prefill}) {
    const Counts counts = count(workload.steps, phase);
    if (counts.steps == 0) continue;
    text += (text.empty() ? "" : " ") + sentence(counts, name_of(phase));
    unknown |= counts.most_unknown > 0;
  }
  if (unknown) {
    text += " What NCCL sees of a running job, the profiler plugin counts.";
  } else if (workload.sizes.empty()) {
    text += " Leave NCCL alone.";
  }
  return text;
}

}  // namespace vernier::workload
