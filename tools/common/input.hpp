// SPDX-License-Identifier: Apache-2.0
//
// Text from a file, or from stdin for "-".
#pragma once

#include <cstddef>
#include <string>

namespace vernier {

struct Input {
  std::string origin;   // for messages: the path, or "<stdin>"
  std::string text;     // at most one byte more than was allowed
  std::string problem;  // why there is no text; empty when there is
};

// Reads at most `max_bytes` and one more, which tells the caller that there was too much without
// reading all of it.
[[nodiscard]] Input read_input(const std::string& file, std::size_t max_bytes);

}  // namespace vernier
