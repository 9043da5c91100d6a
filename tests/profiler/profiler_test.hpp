// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/profiler/profiler_host.hpp"
#include "tools/profile/profile.hpp"

namespace vernier::profiler_test {

// A directory of its own as NCCL_VERNIER_LOG_DIR, and what the plugin says.
class ProfilerTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The one profile in the directory; a test failure where there is none, or it is not whole.
  [[nodiscard]] profile::Profile read() const;
  // Files of profiles.
  [[nodiscard]] std::vector<std::string> files() const;

  // The line of a call; a test failure where there is none, or several.
  static const profile::Call& find(const profile::Profile& profile, const std::string& operation,
                                   std::uint64_t count, bool captured = false);

  static std::string warnings();
  static void log(ncclDebugLogLevel level, unsigned long flags, const char* file, int line,
                  const char* format, ...);

  std::string directory_;
};

}  // namespace vernier::profiler_test
