// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace vernier {

// One line that says what is wrong with the command line, the nearest valid word where there is
// one, and where to read more.
[[nodiscard]] std::string describe_usage_error(const CLI::App& root, const CLI::ParseError& error);

}  // namespace vernier
