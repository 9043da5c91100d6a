// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "vernier/diagnostic.hpp"

namespace vernier {

// What toml11 3.7.1 must not be given, or nullopt when the text is fit to be parsed: more than
// kMaxPolicyBytes; lines over kMaxLineBytes (its time is quadratic in the length of a line: 20 s
// for 160 KB); nesting over kMaxNesting (it recurses, and overflows the stack at 20,000); NUL
// bytes; what is not UTF-8 (it reads beyond its buffer while it says so). No recursion.
[[nodiscard]] std::optional<Diagnostic> find_unfit_text(std::string_view text);

}  // namespace vernier
