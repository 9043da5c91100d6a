// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace vernier::machine {

// Whether a variable of this name may hold what no report and no recording shows:
// VLLM_API_KEY, VLLM_S3_SECRET.
[[nodiscard]] inline bool names_a_secret(std::string_view name) {
  constexpr std::array<std::string_view, 5> kWords = {"TOKEN", "KEY", "SECRET", "PASS",
                                                      "CREDENTIAL"};
  if (name == "NCCL_IB_PKEY") return false;  // an index into a port's table of partitions
  return std::any_of(kWords.begin(), kWords.end(),
                     [name](std::string_view word) { return name.find(word) != name.npos; });
}

}  // namespace vernier::machine
