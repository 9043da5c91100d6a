// SPDX-License-Identifier: Apache-2.0
//
// What vernier's tuner would do with one call, and why: the same compile() and decide() as in the
// plugin, on a cost table made up for the call. A pure function of its arguments.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vernier/policy.hpp"
#include "vernier/reason.hpp"

namespace vernier {

struct Call {
  Collective collective;
  std::uint64_t nbytes;  // as NCCL's tuner sees them
  int ranks;
  int nodes;
  std::optional<Choice> own_choice;  // NCCL's; absent: what the rule was measured against
  std::optional<int> nccl;           // version code; absent: not judged
  std::optional<std::string> gpu;    // absent: not judged
};

// Something that the answer rests on.
struct Condition {
  enum class Verdict { holds, differs, not_checked };
  std::string what;
  Verdict verdict;
  std::string text;
};

struct Explanation {
  Reason reason;
  std::string answer;            // one sentence
  const Rule* rule = nullptr;    // the rule that matches; owned by the policy
  std::optional<Choice> choice;  // set when the rule applies
  std::optional<int> channels;   // set when the rule applies and states them
  std::vector<Condition> conditions;
  // Without a matching rule: the nearest ones of this collective and shape, or, where there are
  // none, one rule of each shape that this collective has rules for.
  const Rule* below = nullptr;
  const Rule* above = nullptr;
  std::vector<const Rule*> shapes;
};

[[nodiscard]] Explanation explain(const Policy& policy, const Call& call);

}  // namespace vernier
