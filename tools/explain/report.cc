// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/common/table.hpp"
#include "tools/policy/rule_text.hpp"
#include "vernier/policy.hpp"

namespace vernier::joblog {
namespace {

using Result = SequenceCheck::Result;

std::string known(int number) { return number == 0 ? "?" : fmt::to_string(number); }
std::string counted(int number, const char* noun) {
  return number == 0 ? fmt::format("? {}s", noun) : count_of(number, noun);
}
std::string count_or_blank(std::uint64_t count) { return count == 0 ? "" : fmt::to_string(count); }

std::string list_text(const std::map<std::string, std::vector<int>>& ranks_by_text) {
  std::string text;
  for (const auto& [what, ranks] : ranks_by_text) {
    text += text.empty() ? "" : "; ";
    text += ranks_by_text.size() == 1 ? what : fmt::format("{}: {}", ranks_text(ranks), what);
  }
  return text;
}

std::string read_text(const JobEvidence& evidence) {
  const JobLog::Totals& totals = evidence.log.totals();
  std::string text;
  if (totals.lines > 0) {
    text = fmt::format("{} lines: {} of NCCL, {} of them used; {} of vLLM used\n", totals.lines,
                       totals.nccl, totals.told, totals.vllm);
    if (totals.unreadable > 0) {
      text += fmt::format("{} lines could not be read: torn, cut or too long\n", totals.unreadable);
    }
    if (totals.forgotten > 0) {
      text += fmt::format("{} lines found no room\n", totals.forgotten);
    }
  }
  for (const ProfiledJob& job : evidence.profiles) {
    text += fmt::format("{}: {} processes, {} calls of all ranks, {} of them a policy can touch\n",
                        job.directory, job.job.profiles.size(), job.traffic.calls,
                        job.traffic.touchable_calls);
  }
  for (const std::string& problem : evidence.problems) text += problem + "\n";
  return text;
}

std::string communicator_text(const CommunicatorAccount& communicator) {
  std::string text =
      fmt::format("\ncommunicator {}: {}, {}, NCCL {}\n",
                  communicator.id.empty() ? "without an id (no INIT lines)" : communicator.id,
                  counted(communicator.ranks, "rank"), counted(communicator.nodes, "node"),
                  communicator.nccl.empty() ? "?" : list_text(communicator.nccl));
  text += fmt::format("  in the logs: {}\n", ranks_text(communicator.seen));
  if (!communicator.unfinished.empty()) {
    text += fmt::format("  not finished: {}\n", ranks_text(communicator.unfinished));
  }
  return text + fmt::format("  tuner: {}\n", list_text(communicator.tuners));
}

std::string calls_text(const Account& account) {
  using enum Table::Align;
  Table table({{"from", left},
               {"collective", left},
               {"bytes", right},
               {"ranks", right},
               {"nodes", right},
               {"graphs", left},
               {"calls", right},
               {"lines", right},
               {"NCCL ran", left},
               {"policy asks", left},
               {"reason", left}});
  std::set<std::string> reasons;
  for (const CallAccount& call : account.calls) {
    table.add({call.profiled ? "profile" : "log", call.operation.empty() ? "?" : call.operation,
               call.nbytes ? format_bytes(*call.nbytes) : "?", known(call.ranks), known(call.nodes),
               call.captured ? "yes" : "", count_or_blank(call.calls), count_or_blank(call.lines),
               call.ran.empty() && find_collective(call.operation) ? "?" : call.ran, call.asked,
               call.reason});
    if (!call.reason.empty()) reasons.insert(call.reason);
  }
  std::string text = "\n" + table.text() + "\n";
  for (const std::string& reason : reasons) {
    const std::string_view meaning = meaning_of(reason);
    if (!meaning.empty()) text += fmt::format("  {}: {}\n", reason, meaning);
  }
  return text;
}

std::string sequence_text(const SequenceCheck& check) {
  const std::string name = check.communicator.empty() ? "communicator without an id"
                                                      : "communicator " + check.communicator;
  if (check.result == Result::agree) {
    return fmt::format("{}: {} of {} agree on {}\n", name, ranks_text(check.seen), check.ranks,
                       check.compared == 0 ? "how often they made each call of their graphs"
                                           : fmt::format("{} calls", check.compared));
  }
  std::string text = fmt::format("{}: {} at {}, after {} that are the same\n", name,
                                 check.result == Result::differ ? "ranks disagree" : "ranks part",
                                 check.place, check.compared);
  for (const Camp& camp : check.camps) {
    text += fmt::format(
        "  {}: {}\n", ranks_text(camp.ranks),
        camp.call.empty() ? "no more calls: they hang elsewhere, or their log ends" : camp.call);
  }
  return text;
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json or_null(int number) { return number == 0 ? Json() : Json(number); }

Json by_ranks(const std::map<std::string, std::vector<int>>& ranks_by_text) {
  Json list = Json::array();
  for (const auto& [text, ranks] : ranks_by_text)
    list.push_back({{"text", text}, {"ranks", ranks}});
  return list;
}

Json json_of_sequence(const SequenceCheck& check) {
  constexpr std::array<std::string_view, 4> kResults = {"agree", "differ", "behind", "too-few"};
  Json camps = Json::array();
  for (const Camp& camp : check.camps) {
    camps.push_back({{"ranks", camp.ranks}, {"call", or_null(camp.call)}});
  }
  return {{"communicator", or_null(check.communicator)},
          {"ranks", check.ranks},
          {"seen", check.seen},
          {"result", kResults[static_cast<std::size_t>(check.result)]},
          {"same_calls", check.compared},
          {"place", or_null(check.place)},
          {"camps", std::move(camps)}};
}

Json json_of_call(const CallAccount& call) {
  return {{"from", call.profiled ? "profile" : "log"},
          {"collective", or_null(call.operation)},
          {"bytes", call.nbytes ? Json(*call.nbytes) : Json()},
          {"ranks", or_null(call.ranks)},
          {"nodes", or_null(call.nodes)},
          {"captured", call.captured},
          {"calls", call.calls},
          {"lines", call.lines},
          {"ran", or_null(call.ran)},
          {"asked", or_null(call.asked)},
          {"reason", or_null(call.reason)}};
}

}  // namespace

std::string verdict_of(const Account& account, const Matters& matters) {
  std::string text = matters.answer.empty() ? "" : "Does NCCL matter here? " + matters.answer + " ";
  if (!account.findings.empty()) {
    return text + fmt::format("{} {} to look at.", account.findings.size(),
                              account.findings.size() == 1 ? "finding" : "findings");
  }
  std::set<decltype(account.calls.front().kind())> applied;
  for (const CallAccount& call : account.calls) {
    if (call.reason == "applied") applied.insert(call.kind());
  }
  if (!applied.empty()) {
    text += fmt::format("{} of calls run what the policy asks. ",
                        count_of(std::ssize(applied), "kind"));
  }
  return text + "Nothing was found wrong.";
}

std::string text_of(const JobEvidence& evidence, const Account& account, const Matters& matters) {
  std::string text = read_text(evidence);
  for (const CommunicatorAccount& one : account.communicators) text += communicator_text(one);
  for (const std::string& fact : matters.facts) {
    text += (&fact == matters.facts.data() ? "\n" : "") + fact + "\n";
  }
  if (!account.calls.empty()) text += calls_text(account);
  if (!account.sequences.empty()) text += "\n";
  for (const SequenceCheck& check : account.sequences) text += sequence_text(check);
  if (!account.findings.empty() || !account.notes.empty()) text += "\n";
  for (const std::string& note : account.notes) text += "note: " + note + "\n";
  for (const std::string& finding : account.findings) text += "finding: " + finding + "\n";
  return text + "\n" + verdict_of(account, matters);
}

Json json_of(const JobEvidence& evidence, const Account& account, const Matters& matters) {
  const JobLog::Totals& totals = evidence.log.totals();
  Json communicators = Json::array();
  for (const CommunicatorAccount& one : account.communicators) {
    Json variables = Json::object();
    for (const auto& [name, values] : one.variables) variables[name] = by_ranks(values);
    communicators.push_back({{"id", or_null(one.id)},
                             {"ranks", or_null(one.ranks)},
                             {"nodes", or_null(one.nodes)},
                             {"seen", one.seen},
                             {"unfinished", one.unfinished},
                             {"nccl", by_ranks(one.nccl)},
                             {"tuners", by_ranks(one.tuners)},
                             {"variables", std::move(variables)}});
  }
  Json calls = Json::array();
  for (const CallAccount& call : account.calls) calls.push_back(json_of_call(call));
  Json sequences = Json::array();
  for (const SequenceCheck& check : account.sequences) sequences.push_back(json_of_sequence(check));
  return {{"lines",
           {{"read", totals.lines},
            {"nccl", totals.nccl},
            {"used", totals.told},
            {"vllm", totals.vllm},
            {"unreadable", totals.unreadable},
            {"no_room", totals.forgotten}}},
          {"problems", evidence.problems},
          {"communicators", std::move(communicators)},
          {"calls", std::move(calls)},
          {"sequences", std::move(sequences)},
          {"facts", matters.facts},
          {"matters", or_null(matters.answer)},
          {"notes", account.notes},
          {"findings", account.findings},
          {"verdict", verdict_of(account, matters)}};
}

}  // namespace vernier::joblog
