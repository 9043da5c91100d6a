// SPDX-License-Identifier: Apache-2.0
#include "policy/text_limits.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vernier/policy.hpp"

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

// Where brackets and dotted keys first nest deeper than `limit`.
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

// Where `text` first departs from UTF-8 (RFC 3629), or npos. A line end is never inside a
// character.
std::size_t find_not_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) {
      return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
    };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return at;
    }
    const bool too_short = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
    const bool too_large = lead == 0xf4 && byte(1) >= 0x90;
    if (too_short || surrogate || too_large) return at;
    at += length;
  }
  return std::string_view::npos;
}

// The first line that is too long or no text.
std::optional<Diagnostic> find_unfit_line(std::string_view text) {
  for (int line = 1; !text.empty(); ++line) {
    const std::string_view one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const auto fail = [line](std::size_t at, std::string what) {
      return Diagnostic{
          Diagnostic::Severity::error, {line, static_cast<int>(at) + 1}, std::move(what)};
    };
    if (one.size() > kMaxLineBytes) {
      return fail(kMaxLineBytes, fmt::format("a line of {} bytes; at most {} are allowed",
                                             one.size(), kMaxLineBytes));
    }
    if (const std::size_t nul = one.find('\0'); nul != one.npos) {
      return fail(nul, "a NUL byte; a policy is text");
    }
    if (const std::size_t at = find_not_utf8(one); at != one.npos) {
      return fail(at, "a byte that is not UTF-8; a policy is UTF-8 text");
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Diagnostic> find_unfit_text(std::string_view text) {
  const auto fail = [](Location where, std::string what) {
    return Diagnostic{Diagnostic::Severity::error, where, std::move(what)};
  };
  if (text.size() > kMaxPolicyBytes) {
    return fail({}, fmt::format("more than {} bytes of text; at most so many are allowed",
                                kMaxPolicyBytes));
  }
  if (auto error = find_unfit_line(text)) return error;
  if (const auto where = find_deep_nesting(text, kMaxNesting)) {
    return fail(*where, fmt::format("nested deeper than {} levels", kMaxNesting));
  }
  return std::nullopt;
}

}  // namespace vernier
