// SPDX-License-Identifier: Apache-2.0
//
// Every kernel that was timed, one by one: raw0-* and raw1-*.jsonl, of which each is begun anew
// when the other one is full (docs/log-format.md). Of the thread that reads and writes.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "plugin/profiler/recorder.hpp"

namespace vernier {

class RawLog {
 public:
  // Nothing is kept before. Both files together hold at most `max_bytes`.
  void start(std::string directory, std::uint64_t max_bytes);

  void add(const Call& call, std::uint64_t start_ns, std::uint64_t stop_ns);

  // Appends what was added since the last time. Returns 0 or an errno; then it is lost.
  [[nodiscard]] int write();

 private:
  [[nodiscard]] std::string path() const;
  void begin_file();
  [[nodiscard]] std::string kind_line(const Call& call, std::size_t kind) const;

  std::string directory_;  // empty: not started
  std::uint64_t max_bytes_ = 0;
  int file_ = 0;  // 0 or 1
  std::uint64_t written_bytes_ = 0;
  bool begins_ = true;
  std::string text_;
  std::map<const Call*, std::size_t> kinds_;  // that this file has told of
};

}  // namespace vernier
