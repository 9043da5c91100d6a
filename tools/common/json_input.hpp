// SPDX-License-Identifier: Apache-2.0
//
// JSON from a file or a connection that is not trusted. Bounded while it is parsed: a value that is
// nested deeply is copied recursively, and in a large one the library searches in order. Each
// throws Malformed: not JSON (at which byte), a number that no type holds, or a bound.
#pragma once

#include <cstddef>
#include <set>
#include <string_view>

#include "tools/common/output.hpp"

namespace vernier {

struct JsonBounds {
  int nesting;        // of lists and objects: 1 for [] and {}
  std::size_t parts;  // objects, and keys in all of them
};

// Refuses an object with one key twice, too, of which the parser would keep the last.
[[nodiscard]] Json parse_json_bounded(std::string_view text, const JsonBounds& bounds);

// A document of which only members with these names are kept, at any depth, so that no object is
// large.
[[nodiscard]] Json parse_keys(std::string_view text, const std::set<std::string_view>& keys);

}  // namespace vernier
