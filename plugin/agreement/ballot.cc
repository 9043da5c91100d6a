// SPDX-License-Identifier: Apache-2.0
#include "plugin/agreement/ballot.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "plugin/common/settings.hpp"
#include "vernier/decide.hpp"
#include "vernier/sha256.hpp"

namespace vernier {
namespace {

constexpr std::size_t kNamed = 8;  // voters that a message names

std::int32_t rank_from_environment() {
  for (const char* const name : {"RANK", "LOCAL_RANK"}) {
    const std::optional<std::string> text = get_env(name);
    std::int32_t rank = -1;
    if (text &&
        std::from_chars(text->data(), text->data() + text->size(), rank).ec == std::errc() &&
        rank >= 0) {
      return rank;
    }
  }
  return -1;
}

void put(Ballot& ballot, Subject subject, std::string_view text) {
  const auto hash = sha256(text);
  auto& place = ballot.subjects[static_cast<std::size_t>(subject)];
  std::copy_n(hash.begin(), place.size(), place.begin());
}

// Not set and set to nothing are two things.
std::string variable(const char* name) {
  const std::optional<std::string> value = get_env(name);
  return value ? "=" + *value : std::string();
}

std::string describe_voter(const Ballot& ballot) {
  return ballot.rank < 0 ? fmt::format("process {}", ballot.process)
                         : fmt::format("process {} (rank {})", ballot.process, ballot.rank);
}

// From shared memory, where it may be anything.
std::string_view reason_text(Reason reason) {
  const auto index = static_cast<std::size_t>(reason);
  return index < kReasonNames.size() ? kReasonNames[index] : "unknown";
}

}  // namespace

Ballot make_ballot(const Grounds& grounds) {
  Ballot ballot{};
  put(ballot, Subject::decision_semantics,
      fmt::format("{} {}", kDecisionSemantics, grounds.allgather_channels));
  put(ballot, Subject::policy, grounds.policy_digest);
  put(ballot, Subject::guards, name_of(grounds.reason));
  put(ballot, Subject::mode, grounds.mode);
  put(ballot, Subject::batch_invariance, grounds.batch_invariant ? "1" : "0");
  put(ballot, Subject::nccl_algo, variable("NCCL_ALGO"));
  put(ballot, Subject::nccl_proto, variable("NCCL_PROTO"));
  put(ballot, Subject::environment, grounds.environment);
  ballot.reason = grounds.reason;
  ballot.process = getpid();
  ballot.rank = rank_from_environment();
  return ballot;
}

bool agree(const Ballot& one, const Ballot& other) noexcept {
  return one.reason == Reason::active && other.reason == Reason::active &&
         one.subjects == other.subjects;
}

std::string describe_differences(const std::vector<Ballot>& present) {
  if (present.empty()) return {};
  const auto like = [&](const Ballot& one) {
    return std::count_if(present.begin(), present.end(),
                         [&](const Ballot& b) { return b.subjects == one.subjects; });
  };
  const auto usual =
      std::max_element(present.begin(), present.end(),
                       [&](const Ballot& a, const Ballot& b) { return like(a) < like(b); });
  std::string text;
  std::size_t others = 0;
  for (const Ballot& ballot : present) {
    if (ballot.subjects == usual->subjects || ++others > kNamed) continue;
    std::string subjects;
    for (std::size_t i = 0; i < kSubjectNames.size(); ++i) {
      if (ballot.subjects[i] == usual->subjects[i]) continue;
      subjects += fmt::format("{}{}", subjects.empty() ? "" : ", ", kSubjectNames[i]);
    }
    text += fmt::format("{}{} differs in {}", text.empty() ? "" : "; ", describe_voter(ballot),
                        subjects);
    if (ballot.reason != Reason::active) text += fmt::format(" ({})", reason_text(ballot.reason));
  }
  if (others > kNamed) text += fmt::format("; and {} more differ", others - kNamed);
  return text;
}

std::string describe_missing(const std::vector<Ballot>& present, std::size_t nranks) {
  std::set<std::size_t> absent;
  for (std::size_t rank = 0; rank < nranks; ++rank) absent.insert(rank);
  for (const Ballot& ballot : present) {
    if (ballot.rank < 0 || absent.erase(static_cast<std::size_t>(ballot.rank)) == 0) return {};
  }
  std::string text;
  std::size_t named = 0;
  for (const std::size_t rank : absent) {
    if (++named <= kNamed) text += fmt::format("{}rank {}", text.empty() ? "" : ", ", rank);
  }
  if (named > kNamed) text += fmt::format(" and {} more", named - kNamed);
  return text;
}

std::string describe_voters(const std::vector<Ballot>& present) {
  std::string text;
  for (std::size_t i = 0; i < present.size() && i < kNamed; ++i) {
    text += (i == 0 ? "" : ", ") + describe_voter(present[i]);
  }
  if (present.size() > kNamed) text += fmt::format(" and {} more", present.size() - kNamed);
  return text;
}

}  // namespace vernier
