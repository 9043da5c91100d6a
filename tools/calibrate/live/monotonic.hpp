// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace vernier::calibrate {

// How long one look at what is waited for takes at most: then a Ctrl-C or a deadline is seen.
inline constexpr int kPollMs = 50;

// Seconds since some moment, for limits.
[[nodiscard]] inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace vernier::calibrate
