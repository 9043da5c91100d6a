// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "vernier/names.hpp"

namespace vernier {

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
    return (algorithms_[c] >> static_cast<unsigned>(choice.algorithm) & 1u) != 0 &&
           (protocols_[c] >> static_cast<unsigned>(choice.protocol) & 1u) != 0;
  }

  // Why NCCL 2.24 and later refuses the text; empty where it does not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  using Masks = std::array<unsigned, kCollectiveNames.size()>;  // one bit per name
  std::string problem_;  // before the masks, whose reading may set it
  Masks algorithms_;
  Masks protocols_;
};

}  // namespace vernier
