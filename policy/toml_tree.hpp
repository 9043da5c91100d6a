// SPDX-License-Identifier: Apache-2.0
//
// A TOML document as a plain tree whose every key and value knows its place in the text. The
// parser behind it (toml11) is seen by toml_tree.cc alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vernier/diagnostic.hpp"

namespace vernier {

struct TomlMember;

struct TomlNode {
  enum class Kind { string, integer, floating, boolean, datetime, array, table };
  Kind kind = Kind::table;
  Location where;
  std::string string;               // Kind::string
  std::int64_t integer = 0;         // Kind::integer
  double floating = 0;              // Kind::floating
  bool boolean = false;             // Kind::boolean
  std::vector<TomlNode> items;      // Kind::array
  std::vector<TomlMember> members;  // Kind::table, in the order of the text
};

struct TomlMember {
  std::string key;
  Location where;  // of the key, as near as it can be told
  TomlNode value;
};

struct ParsedToml {
  std::optional<TomlNode> root;     // set exactly when there is no error
  std::optional<Diagnostic> error;  // the first one
};

// Checks the limits of text_limits.hpp before the parser sees the text.
[[nodiscard]] ParsedToml parse_toml(std::string_view text);

// "string \"abc\"", "integer 7": what was found, for an error.
[[nodiscard]] std::string describe(const TomlNode& node);

}  // namespace vernier
