// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "vernier/names.hpp"

namespace vernier {

// What one of the two variables says, by collective.
struct EnvLists {
  std::array<unsigned, kCollectiveNames.size()> allowed;  // one bit per name
  std::array<bool, kCollectiveNames.size()> applies{};    // whether a list is for it
};

// What NCCL_ALGO and NCCL_PROTO leave of NCCL's choices. A tuner never sees these variables at
// work, only cells that they made unusable; this is for telling the user about it.
//
// Grammar of NCCL 2.24 and later: [list][;collective:list]..., a list is comma-separated names, a
// leading ^ inverts it, case does not matter. 2.23 and earlier: the first list alone. Text that
// NCCL would refuse counts as leaving everything.
class EnvSelection {
 public:
  EnvSelection(std::optional<std::string_view> nccl_algo,
               std::optional<std::string_view> nccl_proto);

  [[nodiscard]] bool allows(Collective collective, Choice choice) const {
    const auto c = static_cast<std::size_t>(collective);
    return (algorithms_.allowed[c] >> static_cast<unsigned>(choice.algorithm) & 1u) != 0 &&
           (protocols_.allowed[c] >> static_cast<unsigned>(choice.protocol) & 1u) != 0;
  }

  // Whether, for some collective, a list of NCCL_PROTO applies and leaves LL128 in. NCCL then runs
  // it wherever it may be unsafe: it looks only where no list applies. "^LL" forces LL128 as much
  // as "LL128" does (NCCL 2.19 to 2.30.7, src/graph/tuning.cc: a list sets every protocol to 0 or
  // 1; the default of LL128 is 2, "if it is safe").
  [[nodiscard]] bool forces_ll128() const;

  // Why NCCL 2.24 and later refuses the text; empty where it does not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  std::string problem_;  // before the lists, whose reading may set it
  EnvLists algorithms_;
  EnvLists protocols_;
};

}  // namespace vernier
