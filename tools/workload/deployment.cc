// SPDX-License-Identifier: Apache-2.0
#include "tools/workload/deployment.hpp"

#include <charconv>

namespace vernier::workload {

int parse_capability(std::string_view text) {
  int major = 0;
  int minor = 0;
  const char* const end = text.data() + text.size();
  const auto [dot, bad] = std::from_chars(text.data(), end, major);
  if (bad != std::errc() || dot == end || *dot != '.') return 0;
  const auto [rest, worse] = std::from_chars(dot + 1, end, minor);
  if (worse != std::errc() || rest != end || major < 1 || major > 99 || minor < 0 || minor > 9) {
    return 0;
  }
  return 10 * major + minor;
}

}  // namespace vernier::workload
