// SPDX-License-Identifier: Apache-2.0
//
// What to say of a word that is none of those that are known.
#pragma once

#include <string>
#include <vector>

namespace vernier {

// Why `word` is not one of `allowed`, or nothing when it is.
[[nodiscard]] std::string judge_word(const std::string& word,
                                     const std::vector<std::string>& allowed);

}  // namespace vernier
