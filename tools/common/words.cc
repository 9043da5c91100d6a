// SPDX-License-Identifier: Apache-2.0
#include "tools/common/words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "vernier/diagnostic.hpp"

namespace vernier {

std::string judge_word(const std::string& word, const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), word) != allowed.end()) return {};
  return fmt::format("{} is not known; allowed: {}{}", in_quotes(word), fmt::join(allowed, ", "),
                     did_you_mean(word, {allowed.begin(), allowed.end()}));
}

}  // namespace vernier
