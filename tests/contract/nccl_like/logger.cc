// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/logger.hpp"

#include <cstdarg>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>

namespace vernier::contract {
namespace {

// NCCL formats a line, prefix included, into this many bytes on the stack.
constexpr int kLineBytes = 1024;
constexpr char kPrefix[] = "host:1234567:1234567 [0] NCCL INFO ";

struct Line {
  int level;
  unsigned long flags;
  std::string file;
  std::string text;
  bool truncated;
};

struct Log {
  std::mutex mutex;
  std::deque<Line> lines;  // stable addresses
};

Log& the_log() {
  static Log* const one = new Log;
  return *one;
}

__attribute__((format(printf, 5, 6))) void log_line(ncclDebugLogLevel level, unsigned long flags,
                                                    const char* file, int /*line*/,
                                                    const char* format, ...) {
  char text[kLineBytes - sizeof(kPrefix)];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  const bool truncated = length >= static_cast<int>(sizeof(text));
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.lines.push_back({level, flags, file == nullptr ? "" : file, text, truncated});
}

}  // namespace

ncclDebugLogger_t logger() { return log_line; }

int count_lines() {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  return static_cast<int>(log.lines.size());
}

void read_line(int index, NcclLikeLine& line) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  const Line& found = log.lines.at(static_cast<std::size_t>(index));
  line = {found.level, found.flags, found.file.c_str(), found.text.c_str(), found.truncated};
}

void clear_log() {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.lines.clear();
}

}  // namespace vernier::contract
