// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/gather_ranks.hpp"

#include <fmt/format.h>

#include <utility>

#include "tools/calibrate/live/roll_call.hpp"
#include "tools/doctor/rank_facts.hpp"

namespace vernier::doctor {
namespace {

// A calibrate that meets a doctor at one rendezvous is of another job.
constexpr const char* kFindings = "doctor_findings";

Json hello_of(const calibrate::LaunchedTask& task, const RankReport& own) {
  Json hello{{"vernier_task", 1},   {"run", task.run},  {"rank", task.rank},
             {"ranks", task.ranks}, {"host", own.host}, {"machine", ""},
             {"node", ""},          {"gpu", ""},        {"facts", own.facts}};
  hello[kFindings] = Json::array();
  for (const Finding& finding : own.findings) hello[kFindings].push_back(to_json(finding));
  return hello;
}

RankReport report_of(int rank, const Json& hello) {
  RankReport report{hello["host"], hello["facts"], {}};
  try {
    for (const Json& finding : hello.at(kFindings)) report.findings.push_back(finding_of(finding));
  } catch (const Json::exception&) {
    throw calibrate::MachineError(
        fmt::format("rank {} on {} is no vernier doctor of this version: two jobs with one "
                    "rendezvous?",
                    rank, printable(report.host)));
  }
  return report;
}

}  // namespace

RankReport make_report(const Facts& facts, std::vector<Finding> findings) {
  return {calibrate::own_host_name(), rank_facts(facts), std::move(findings)};
}

std::map<int, RankReport> gather_ranks(const calibrate::CallOptions& call, const RankReport& own) {
  std::map<int, calibrate::Member> members;
  // Whatever becomes of it, nobody waits for a word any longer.
  const auto tell = [&](const Json& word) {
    for (auto& [rank, member] : members) (void)member.line.send(word);
  };
  try {
    calibrate::call_roll(*call.meeting, *call.task, own.host, call.rendezvous_timeout_s, members);
    std::map<int, RankReport> ranks{{0, own}};
    for (const auto& [rank, member] : members) ranks.emplace(rank, report_of(rank, member.hello));
    tell({{"end", true}});
    return ranks;
  } catch (const calibrate::MachineError&) {
    tell({{"end", true}});
    throw;
  }
}

void report_to_rank_0(const calibrate::CallOptions& call, const RankReport& own) {
  Json said;
  (void)calibrate::answer_roll(call, hello_of(*call.task, own), said);
  if (said.contains("refused")) throw calibrate::MachineError(said["refused"].get<std::string>());
}

}  // namespace vernier::doctor
