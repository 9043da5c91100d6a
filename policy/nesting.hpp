// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "vernier/diagnostic.hpp"

namespace vernier {

// Where brackets and dotted keys first nest deeper than `limit`, or nullopt. One pass, no
// recursion: toml11 3.7.1 recurses once per level and overflows the stack at 20,000.
[[nodiscard]] std::optional<Location> find_deep_nesting(std::string_view text, int limit);

}  // namespace vernier
