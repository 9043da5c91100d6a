// SPDX-License-Identifier: Apache-2.0
//
// Values of variables, taken apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vernier::doctor {

// A whole number, and nothing else.
[[nodiscard]] std::optional<int> number(const std::string& value);
[[nodiscard]] std::string lower(std::string text);
// Parts that are not empty.
[[nodiscard]] std::vector<std::string> split(const std::string& text, char separator);

}  // namespace vernier::doctor
