// SPDX-License-Identifier: Apache-2.0
#include "policy/nesting.hpp"

namespace vernier {
namespace {

// What ends the token that starts at text[0]: a quoted string, or a comment. Returns the length of
// the token; 0 when text[0] starts neither. An unterminated one-line string ends with its line, as
// it does for the parser, which then stops with an error.
std::size_t skip_string_or_comment(std::string_view text) {
  const char quote = text[0];
  if (quote == '#') return std::min(text.find('\n'), text.size());
  if (quote != '"' && quote != '\'') return 0;
  const bool escapes = quote == '"';
  const bool multiline = text.size() >= 3 && text[1] == quote && text[2] == quote;
  for (std::size_t at = multiline ? 3 : 1; at < text.size(); ++at) {
    if (escapes && text[at] == '\\') {
      ++at;
    } else if (text[at] == '\n' && !multiline) {
      return at;
    } else if (text[at] == quote) {
      if (!multiline) return at + 1;
      if (text.substr(at, 3) == std::string_view(text.data(), 3)) return at + 3;
    }
  }
  return text.size();
}

}  // namespace

std::optional<Location> find_deep_nesting(std::string_view text, int limit) {
  int brackets = 0;
  int dots = 0;  // in the current dotted key: a.b.c nests two deep
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t skipped = skip_string_or_comment(text.substr(at));
    if (skipped > 0) {
      for (std::size_t i = at; i < at + skipped; ++i) {
        if (text[i] == '\n') ++line, line_start = i + 1;
      }
      at += skipped;
      continue;
    }
    switch (text[at]) {
      case '[':
      case '{':
        ++brackets;
        dots = 0;
        break;
      case ']':
      case '}':
        if (brackets > 0) --brackets;
        dots = 0;
        break;
      case '.': ++dots; break;
      case ',':
      case '=': dots = 0; break;
      case '\n':
        dots = 0;
        ++line, line_start = at + 1;
        break;
      default: break;
    }
    if (brackets + dots > limit) return Location{line, static_cast<int>(at - line_start) + 1};
    ++at;
  }
  return std::nullopt;
}

}  // namespace vernier
