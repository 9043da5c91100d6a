// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tools/machine/reading.hpp"

namespace vernier::machine {

// What a program prints, at most 64 KiB; its stdin and stderr are /dev/null. `arguments`: the
// program, looked for in PATH, first. Absent: there is no such program. Unreadable: no end within
// `limit_s` seconds; it is killed then, with all that it started and kept in its process group.
[[nodiscard]] Reading<std::string> child_output(const std::vector<std::string>& arguments,
                                                int limit_s);

}  // namespace vernier::machine
