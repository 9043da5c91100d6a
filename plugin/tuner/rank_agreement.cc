// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/rank_agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <vector>

#include "plugin/tuner/policy_store.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr char kMeetingDirectory[] = "/dev/shm";

std::atomic<bool> met_nobody{false};

std::chrono::milliseconds meeting_timeout(const NcclLog& log) {
  const std::string text = get_env("NCCL_VERNIER_AGREE_TIMEOUT_MS").value_or("");
  const std::optional<int> timeout_ms = parse_timeout_ms(text);
  if (!timeout_ms && !text.empty()) {
    log.warn_once("timeout", fmt::format("NCCL_VERNIER_AGREE_TIMEOUT_MS is {}; allowed: 1 to {}; "
                                         "{} is used",
                                         in_quotes(text), kMaxTimeoutMs, kDefaultTimeoutMs));
  }
  return std::chrono::milliseconds(timeout_ms.value_or(kDefaultTimeoutMs));
}

std::string environment_of(const Policy& policy) {
  std::string text;
  for (const auto& [name, wanted] : policy.environment) {
    text += fmt::format("{}={}\n", name, get_env(name.c_str()).value_or(""));
  }
  return text;
}

}  // namespace

std::string_view why_no_meeting(const CommunicatorFacts& facts) {
  if (facts.nnodes > 1) return "with several nodes a file may differ between ranks";
  if (!facts.comm_id) return "before NCCL 2.28.3 ranks cannot compare their files";
  // It makes commId the same in one run and the next.
  if (get_env("NCCL_COMM_ID")) return "under NCCL_COMM_ID ranks cannot compare their files";
  return {};
}

std::string advise_inline(std::string_view setting) {
  return fmt::format(
      "give every rank the policy itself: vernier env --inline --format sh --policy {} prints the "
      "line",
      setting);
}

std::unique_ptr<Meeting> prepare_meeting(const Judgement& alone, const std::string& mode,
                                         const CommunicatorFacts& facts, const NcclLog& log) {
  const LoadedPolicy* const policy = alone.policy.get();
  const bool readable = policy != nullptr && policy->policy();
  const Ballot ballot = make_ballot(
      {.reason = alone.reason,
       .allgather_channels = allgather_channels(facts.nccl_version) == AllGatherChannels::keep,
       .policy_digest = readable ? policy->digest() : "",
       .mode = mode,
       .batch_invariant = batch_invariant(),
       .environment = readable ? environment_of(*policy->policy()) : ""});
  const auto timeout =
      std::max(meeting_timeout(log) / (met_nobody ? 10 : 1), std::chrono::milliseconds(1));
  const MeetingKey key{*facts.comm_id, to_int(facts.nranks), get_env("NCCL_HOSTID").value_or("")};
  return std::make_unique<Meeting>(key, ballot, timeout, kMeetingDirectory);
}

std::string explain_verdict(const Meeting& meeting, Verdict verdict, std::size_t nranks,
                            std::string_view setting) {
  const std::vector<Ballot> present = meeting.present();
  switch (verdict) {
    case Verdict::none: return fmt::format("ranks cannot meet: {}", meeting.problem());
    case Verdict::missing: {
      const auto waited = std::chrono::duration<double>(meeting.timeout()).count();
      const std::string missing = describe_missing(present, nranks);
      return fmt::format(
          "{} of {} ranks met within {} s: {}; the others{} are late, have no vernier, "
          "or are in containers that do not share /dev/shm (docker: --ipc=host){}",
          present.size(), nranks, waited, describe_voters(present),
          missing.empty() ? "" : " (" + missing + ")",
          present.size() == 1 ? "; " + advise_inline(setting) : "");
    }
    case Verdict::died:
      return fmt::format("one of {} ended while ranks met", describe_voters(present));
    case Verdict::active:
    case Verdict::differ: break;
  }
  return fmt::format("ranks would decide differently: {}", describe_differences(present));
}

void remember(const Meeting& meeting, Verdict verdict) {
  if (verdict == Verdict::none) return;
  met_nobody = verdict == Verdict::missing && meeting.present().size() == 1;
}

}  // namespace vernier
