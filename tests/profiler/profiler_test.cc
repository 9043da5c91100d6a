// SPDX-License-Identifier: Apache-2.0
#include "tests/profiler/profiler_test.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>

namespace vernier::profiler_test {
namespace {

std::mutex mutex;
std::string warned;

}  // namespace

void ProfilerTest::SetUp() {
  std::string name = "/tmp/vernier-profiler.XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  directory_ = name;
  setenv("NCCL_VERNIER_LOG_DIR", directory_.c_str(), 1);
}

void ProfilerTest::TearDown() { std::filesystem::remove_all(directory_); }

std::vector<std::string> ProfilerTest::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

profile::Profile ProfilerTest::read() const {
  const profile::Job job = profile::read_job(directory_);
  EXPECT_EQ(job.profiles.size(), 1u);
  EXPECT_TRUE(job.problems.empty()) << job.problems.front();
  return job.profiles.front();
}

const profile::Call& ProfilerTest::find(const profile::Profile& profile,
                                        const std::string& operation, std::uint64_t count,
                                        bool captured) {
  static const profile::Call none{};
  const profile::Call* found = nullptr;
  for (const profile::Call& call : profile.calls) {
    if (call.operation != operation || call.count != count || call.captured != captured) continue;
    EXPECT_EQ(found, nullptr) << "two lines of " << operation << " " << count;
    found = &call;
  }
  EXPECT_NE(found, nullptr) << "no line of " << operation << " " << count;
  return found == nullptr ? none : *found;
}

std::string ProfilerTest::warnings() {
  const std::lock_guard lock(mutex);
  return warned;
}

void ProfilerTest::log(ncclDebugLogLevel level, unsigned long, const char*, int, const char* format,
                       ...) {
  std::array<char, 1024> text{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  const std::lock_guard lock(mutex);
  if (level == NCCL_LOG_WARN) warned += std::string(text.data()) + "\n";
}

}  // namespace vernier::profiler_test
