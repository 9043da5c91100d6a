// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/compare_ranks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

namespace vernier::doctor {
namespace {

// Which difference is a finding: the first row whose beginning a fact's name has. What no row has
// is in the table of differences, and no finding.
struct Row {
  std::string_view begins;
  std::string_view id;
  Severity severity;
  std::string_view consequence;
  std::string_view fix;
};
constexpr auto kRows = std::to_array<Row>({
    {"NCCL library", {}, Severity::note, {}, {}},  // by its version, which is a row of its own
    {"NCCL_ALGO", "ranks.algorithm", Severity::error,
     "ranks run different kernels for one call: it hangs or corrupts", "set it alike, or nowhere"},
    {"NCCL_PROTO", "ranks.algorithm", Severity::error,
     "ranks run different kernels for one call: it hangs or corrupts", "set it alike, or nowhere"},
    {"NCCL_", "ranks.environment", Severity::warning,
     "each rank follows its own; NCCL compares few of its variables between ranks, and what "
     "happens depends on the variable, up to a hang",
     "give every rank the same through the launcher (mpirun -x, srun --export), or leave it out; "
     "names of interfaces and NICs may have to differ"},
    {"NCCL", "ranks.nccl", Severity::error,
     "ranks of different releases fail or hang when they make a communicator",
     "install one release for all; vernier doctor shows which library each rank finds"},
    {"tuner plugin", "ranks.tuner", Severity::error,
     "ranks that choose differently for one call hang or corrupt; vernier's own tuner notices on "
     "one node, and then applies no rule",
     "install one build for all, and name it alike in NCCL_TUNER_PLUGIN"},
    {"profiler plugin", "ranks.plugin", Severity::warning,
     "what the ranks write cannot be compared, and some may write nothing",
     "install one build for all"},
    {"net plugin", "ranks.plugin", Severity::error,
     "ranks of different network plugins cannot connect, or hang", "install one build for all"},
    {"policy", "ranks.policy", Severity::error,
     "on one node the ranks notice and apply no rule; on several, ranks of different rules hang "
     "or corrupt",
     "give all ranks one policy: vernier env --inline prints one variable that holds it"},
    {"GPUs", "ranks.machine", Severity::warning, "every call waits for the slowest rank",
     "use hosts of one kind, or know why they differ"},
    {"NVLinks", "ranks.machine", Severity::warning, "every call waits for the slowest rank",
     "look at the GPU with fewer links: nvidia-smi nvlink -s"},
    {"NICs", "ranks.machine", Severity::warning, "every call waits for the slowest rank",
     "look at the ports that differ: ibstat"},
    {"GPUDirect RDMA", "ranks.machine", Severity::warning, "every call waits for the slowest rank",
     "load the same kernel modules on all hosts"},
});

std::string values_text(const calibrate::FactDifference& difference) {
  std::string text = difference.fact + " differs:";
  for (const calibrate::RanksOfValue& one : difference.values) {
    text +=
        fmt::format("{} {} on rank{} {}", &one == difference.values.data() ? "" : ",", one.value,
                    one.ranks.size() == 1 ? "" : "s", calibrate::ranks_text(one.ranks));
  }
  return text;
}

// Findings above a note that rank 0 does not have as well.
std::vector<Finding> of_others(const std::map<int, RankReport>& ranks) {
  struct Seen {
    Finding finding;
    std::vector<int> ranks;
  };
  std::vector<Seen> all;
  for (const auto& [rank, report] : ranks) {
    for (const Finding& finding : report.findings) {
      if (finding.severity == Severity::note) continue;
      const auto same = std::find_if(all.begin(), all.end(), [&](const Seen& one) {
        return one.finding.id == finding.id && one.finding.evidence == finding.evidence;
      });
      if (same == all.end()) {
        all.push_back({finding, {rank}});
      } else if (same->ranks.back() != rank) {
        same->ranks.push_back(rank);
      }
    }
  }
  std::vector<Finding> others;
  for (Seen& one : all) {
    if (one.ranks.front() == 0) continue;  // in rank 0's own report
    one.finding.evidence = fmt::format("rank{} {}: {}", one.ranks.size() == 1 ? "" : "s",
                                       calibrate::ranks_text(one.ranks), one.finding.evidence);
    others.push_back(std::move(one.finding));
  }
  return others;
}

}  // namespace

RankComparison compare_ranks(const std::map<int, RankReport>& ranks) {
  std::map<int, Json> facts;
  for (const auto& [rank, report] : ranks) facts[rank] = report.facts;
  RankComparison comparison{calibrate::differences(facts), {}};
  for (const calibrate::FactDifference& difference : comparison.differences) {
    const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& one) {
      return difference.fact.starts_with(one.begins);
    });
    if (row == kRows.end() || row->id.empty()) continue;
    comparison.findings.push_back({std::string(row->id), row->severity, values_text(difference),
                                   std::string(row->consequence), std::string(row->fix)});
  }
  for (Finding& finding : of_others(ranks)) comparison.findings.push_back(std::move(finding));
  return comparison;
}

std::string text_of(const std::map<int, RankReport>& ranks, const RankComparison& comparison) {
  std::map<int, std::string> hosts;
  for (const auto& [rank, report] : ranks) hosts[rank] = printable(report.host);
  const std::string head =
      fmt::format("{} ranks: {}. ", ranks.size(), calibrate::ranks_by_host(hosts));
  if (comparison.differences.empty()) return head + "They do not differ; rank 0:\n";
  return fmt::format("{}They differ in:\n\n{}\n\nRank 0:\n", head,
                     calibrate::differences_text(comparison.differences));
}

Json json_of(const std::map<int, RankReport>& ranks, const RankComparison& comparison) {
  Json hosts = Json::array();
  for (const auto& [rank, report] : ranks) hosts.push_back(report.host);
  return {{"count", ranks.size()},
          {"hosts", hosts},
          {"differences", calibrate::to_json(comparison.differences)}};
}

}  // namespace vernier::doctor
