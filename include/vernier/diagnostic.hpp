// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a file, and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vernier {

struct Location {
  int line = 0;    // from 1; 0: the file as a whole
  int column = 0;  // from 1, in bytes
};

struct Diagnostic {
  enum class Severity { error, warning };
  Severity severity = Severity::error;
  Location where;
  std::string text;  // what was found; what is allowed
};
using Diagnostics = std::vector<Diagnostic>;

// "file:line:column: error: text", without a newline.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic, std::string_view file);

// `text` in double quotes, control characters as \xNN, at most 60 bytes of it: safe for a log.
[[nodiscard]] std::string in_quotes(std::string_view text);

// The candidate closest in spelling (insert, delete, replace, swap of neighbours), or an empty view
// when none is close enough to be a likely misspelling. Candidates outlive the result.
[[nodiscard]] std::string_view nearest(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

// "; did you mean "NEAREST"?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

}  // namespace vernier
