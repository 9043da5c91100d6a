// SPDX-License-Identifier: Apache-2.0
//
// Members of JSON from a file that is not trusted.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "tools/common/output.hpp"

namespace vernier {

// A value that is not what the format says; the caller adds file and line.
struct Malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Each throws Malformed, which names the member.
[[nodiscard]] const Json& member(const Json& json, const char* name);
[[nodiscard]] std::string text(const Json& json, const char* name);
[[nodiscard]] double number(const Json& value, const char* what);
// A whole number from 0 to `max`.
[[nodiscard]] std::uint64_t natural(const Json& json, const char* name, std::uint64_t max);

// A value for a message: short, and safe for a terminal.
[[nodiscard]] std::string shown(const Json& value);

}  // namespace vernier
