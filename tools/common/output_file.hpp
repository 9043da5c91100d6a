// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace vernier {

// Writes a result to `path`, or to stdout for "-". A file appears whole or not at all: the text
// goes to a temporary file beside it, which then takes its name. What is not a regular file
// (/dev/null, a pipe) is written in place. Returns why it failed, or nothing.
[[nodiscard]] std::string write_output(const std::string& path, std::string_view text);

}  // namespace vernier
