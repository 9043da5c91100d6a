// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/job_log.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vernier/operations.hpp"
#include "vernier/policy.hpp"

namespace vernier::joblog {
namespace {

using namespace nccl_log;

constexpr std::size_t kMaxMembers = 1 << 14;
constexpr std::size_t kMaxThreads = 1 << 15;
constexpr std::size_t kMaxProcesses = 1 << 13;
constexpr std::size_t kMaxKinds = 1 << 16;
constexpr std::size_t kMaxRuns = 1 << 17;
constexpr std::size_t kMaxVariables = 1 << 16;
constexpr std::size_t kMaxCandidates = 256;     // communicators that a selection may be of
constexpr std::size_t kMaxWarnings = 64;        // of one process
constexpr std::size_t kMaxSequenced = 2 << 20;  // 24 bytes each

std::uint8_t operation_index(const std::string& operation) {
  return static_cast<std::uint8_t>(
      std::find(kOperationNames.begin(), kOperationNames.end(), operation) -
      kOperationNames.begin());
}

// Ranks send and receive as each of them likes.
bool is_collective(const std::string& operation) {
  return operation != "send" && operation != "recv" && operation != "sendrecv";
}

std::uint64_t bytes_of(const ApiCall& call) {
  const auto type = static_cast<std::size_t>(call.data_type);
  const std::uint64_t size = type < kDataTypeBytes.size() ? kDataTypeBytes[type] : 0;
  std::uint64_t nbytes = 0;
  return __builtin_mul_overflow(size, call.count, &nbytes) ? 0 : nbytes;
}

}  // namespace

std::tuple<int, int, int, int, std::string_view> Ran::key() const {
  return {static_cast<int>(path), choice ? static_cast<int>(choice->algorithm) : -1,
          choice ? static_cast<int>(choice->protocol) : -1, channels, kernel};
}

std::string Ran::text() const {
  std::string text = path == Selection::Path::copy_engine ? "copy engine" : kernel;
  if (choice) text = format_choice(*choice);
  return channels == 0 || text.empty() ? text : fmt::format("{}/{}", text, channels);
}

void JobLog::add_line(std::string_view line) {
  ++totals_.lines;
  if (line.size() > kMaxLineBytes) {
    ++totals_.unreadable;
    return;
  }
  if (const auto parts = split_line(line)) {
    ++totals_.nccl;
    const Event event = parse_event(*parts);
    if (std::holds_alternative<Torn>(event)) {
      ++totals_.unreadable;
    } else if (!std::holds_alternative<std::monostate>(event)) {
      ++totals_.told;
      add_event(*parts, event);
    }
  } else if (const auto version = find_version(line)) {
    ++totals_.nccl;
    ++totals_.told;
    nccl_ = version->text;
  } else if (read_vllm_line(line, vllm_)) {
    ++totals_.vllm;
  }
}

Process* JobLog::process_of(std::string_view name) {
  if (name.empty()) return nullptr;
  const auto known = processes_.find(name);
  if (known != processes_.end()) return &known->second;
  if (processes_.size() >= kMaxProcesses) return nullptr;
  return &processes_[std::string(name)];
}

void JobLog::add_event(const Line& line, const Event& event) {
  if (line.process.empty()) {
    // A launcher has cut the front away.
    if (const auto* version = std::get_if<Version>(&event)) {
      nccl_ = version->text;
    } else {
      ++totals_.unreadable;
      --totals_.told;
    }
    return;
  }
  Process* const process = process_of(line.process);
  if (process == nullptr) {
    ++totals_.forgotten;
    return;
  }
  if (!threads_.contains(line.thread)) {
    if (threads_.size() >= kMaxThreads) {
      ++totals_.forgotten;
      return;
    }
    threads_[std::string(line.thread)];
  }
  Thread& thread = threads_.find(line.thread)->second;
  if (const auto* version = std::get_if<Version>(&event)) {
    process->nccl = version->text;
  } else if (const auto* init = std::get_if<InitLine>(&event)) {
    add_init(line, *init);
  } else if (const auto* shape = std::get_if<ShapeLine>(&event)) {
    add_shape(line, *shape);
  } else if (const auto* call = std::get_if<ApiCall>(&event)) {
    add_call(line, *call);
  } else if (const auto* selection = std::get_if<Selection>(&event)) {
    add_selection(*selection, guess_member(line));
  } else if (const auto* input = std::get_if<TuningInput>(&event)) {
    thread.input = *input;
  } else if (const auto* best = std::get_if<BestTuning>(&event)) {
    if (!thread.input) return;
    const TuningInput asked = *std::exchange(thread.input, std::nullopt);
    const Selection table{asked.operation, asked.nbytes,   false, Selection::Path::table,
                          best->choice,    best->channels, {}};
    const std::size_t member = find_member(line.process, asked.address);
    add_selection(table, member != kNoMember ? member : guess_member(line));
  } else if (const auto* variable = std::get_if<Variable>(&event)) {
    if (variables_ >= kMaxVariables) {
      ++totals_.forgotten;
    } else if (process->variables.insert_or_assign(variable->name, variable->value).second) {
      ++variables_;
    }
  } else if (const auto* plugin = std::get_if<TunerPlugin>(&event)) {
    add_plugin(*process, *plugin);
  } else if (const auto* report = std::get_if<TunerReport>(&event)) {
    process->tuner = "vernier";
    if (process->nccl.empty()) process->nccl = report->nccl;
    // The tuner is asked by the thread that makes the communicator.
    if (thread.makes != kNoMember) members_[thread.makes].tuner = *report;
  } else if (const auto* observed = std::get_if<Observed>(&event)) {
    add_observed(line, *observed);
  } else if (const auto* warning = std::get_if<PluginWarning>(&event)) {
    if (process->warnings.size() < kMaxWarnings) process->warnings[warning->reason] = warning->text;
  }
}

void JobLog::add_plugin(Process& process, const TunerPlugin& plugin) {
  switch (plugin.state) {
    case TunerPlugin::State::loaded: process.tuner = plugin.name; break;
    case TunerPlugin::State::at_path: process.tuner_path = plugin.name; break;
    case TunerPlugin::State::not_found: process.not_found = plugin.name; break;
    case TunerPlugin::State::unsupported: process.unsupported = true; break;
    case TunerPlugin::State::internal: process.internal = true; break;
  }
}

std::size_t JobLog::make_member(std::string_view process, const std::string& address, int rank,
                                int ranks) {
  if (members_.size() >= kMaxMembers) return kNoMember;
  Member member;
  member.process = std::string(process);
  member.rank = rank;
  member.ranks = ranks;
  members_.push_back(std::move(member));
  if (Process* const owner = process_of(process)) owner->members.push_back(members_.size() - 1);
  by_address_[{std::string(process), address}] = members_.size() - 1;
  return members_.size() - 1;
}

std::size_t JobLog::find_member(std::string_view process, const std::string& address) const {
  const auto found = by_address_.find({std::string(process), address});
  return found == by_address_.end() ? kNoMember : found->second;
}

void JobLog::add_init(const Line& line, const InitLine& init) {
  std::size_t member = find_member(line.process, init.address);
  // An address is used again once its communicator is gone.
  if (init.start || member == kNoMember) {
    member = make_member(line.process, init.address, init.rank, init.ranks);
  }
  if (member == kNoMember) {
    ++totals_.forgotten;
    return;
  }
  if (!init.comm_id.empty()) members_[member].comm_id = init.comm_id;
  members_[member].complete |= !init.start;
  threads_.find(line.thread)->second.makes = member;
}

void JobLog::add_shape(const Line& line, const ShapeLine& shape) {
  const std::size_t member = find_member(line.process, shape.address);
  if (member != kNoMember) members_[member].nodes = shape.nodes;
}

void JobLog::add_call(const Line& line, const ApiCall& call) {
  std::size_t member = find_member(line.process, call.address);
  if (member == kNoMember) member = make_member(line.process, call.address, -1, call.ranks);
  if (member == kNoMember) {
    ++totals_.forgotten;
    return;
  }
  threads_.find(line.thread)->second.called = member;
  CallCounts* const counts = counts_of({member, call.operation, bytes_of(call), true});
  if (counts != nullptr) ++counts->calls;
  if (!is_collective(call.operation)) return;
  if (sequenced_ >= kMaxSequenced) {
    ++totals_.forgotten;
    return;
  }
  ++sequenced_;
  members_[member].calls.push_back({call.op_count, call.count, operation_index(call.operation),
                                    static_cast<std::uint8_t>(call.data_type),
                                    static_cast<std::int16_t>(call.reduction), call.root});
}

std::size_t JobLog::guess_member(const Line& line) const {
  // With COLL lines the call stands before its selection. Rank 0 alone tells of selections.
  const auto can_tell = [](const Member& member) { return member.rank <= 0 && member.ranks > 1; };
  const auto thread = threads_.find(line.thread);
  if (thread != threads_.end() && thread->second.called != kNoMember &&
      can_tell(members_[thread->second.called])) {
    return thread->second.called;
  }
  // Otherwise what all that can be meant have in common.
  std::size_t found = kNoMember;
  const auto process = processes_.find(line.process);
  if (process == processes_.end()) return found;
  const std::vector<std::size_t>& candidates = process->second.members;
  const std::size_t first = candidates.size() - std::min(candidates.size(), kMaxCandidates);
  for (std::size_t i = first; i < candidates.size(); ++i) {
    const std::size_t index = candidates[i];
    const Member& member = members_[index];
    if (!can_tell(member)) continue;
    if (found != kNoMember &&
        (members_[found].ranks != member.ranks || members_[found].nodes != member.nodes)) {
      return kNoMember;
    }
    found = index;
  }
  return found;
}

void JobLog::add_selection(const Selection& selection, std::size_t member) {
  CallCounts* const counts =
      counts_of({member, selection.operation, selection.nbytes, selection.of_one_rank});
  if (counts == nullptr) return;
  const Ran ran{selection.path, selection.choice, selection.channels, selection.kernel};
  if (!counts->runs.contains(ran) && ++runs_ > kMaxRuns) {
    ++totals_.forgotten;
    return;
  }
  ++counts->runs[ran];
}

void JobLog::add_observed(const Line& line, const Observed& observed) {
  CallCounts* const counts =
      counts_of({guess_member(line), observed.operation, observed.nbytes, false});
  if (counts != nullptr) {
    counts->observed = fmt::format("{}: {}", observed.choice, observed.reason);
  }
}

CallCounts* JobLog::counts_of(CallKind kind) {
  const auto found = calls_.find(kind);
  if (found != calls_.end()) return &found->second;
  if (calls_.size() >= kMaxKinds) {
    ++totals_.forgotten;
    return nullptr;
  }
  return &calls_[std::move(kind)];
}

std::set<std::string> JobLog::digests() const {
  std::set<std::string> digests;
  for (const Member& member : members_) {
    if (member.tuner && !member.tuner->digest.empty()) digests.insert(member.tuner->digest);
  }
  return digests;
}

}  // namespace vernier::joblog
