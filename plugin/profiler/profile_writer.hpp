// SPDX-License-Identifier: Apache-2.0
//
// Writes what the recorder has counted to a file of this process, once a second from a thread of
// its own: a process that is killed loses a second at most. After the first file no thread of
// NCCL's ever waits for a disk.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "plugin/profiler/profile_text.hpp"
#include "plugin/profiler/raw_log.hpp"

namespace vernier {

class ProfileWriter {
 public:
  static ProfileWriter& instance();

  // With the first call: writes a first file and starts the thread. Returns what stands in the way,
  // in words; then nothing is recorded in this process, and nothing is tried again.
  [[nodiscard]] std::optional<std::string> start(const std::string& directory,
                                                 const std::string& nccl, int profiler_abi);

  // Keeps every kernel that is timed, in at most `max_bytes`. Before start().
  void keep_raw(std::uint64_t max_bytes);

  // Has the thread write now, and waits for it: half a second at most, a disk may hang. At once
  // where there is no thread.
  void flush() noexcept;

  // Why the latest writing failed, if it did; it is tried again every second.
  [[nodiscard]] std::optional<std::string> problem();

  // In a forked child.
  void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::optional<std::string> start_once(const std::string& directory,
                                                      const std::string& nccl, int profiler_abi);
  void run() noexcept;
  void read_times();
  void write_if_new();

  std::atomic<bool> runs_ = false;  // the thread was started
  std::atomic<bool> stopped_ = false;
  std::mutex start_mutex_;
  bool started_ = false;
  std::optional<std::string> start_problem_;
  std::uint64_t raw_bytes_ = 0;  // 0: none are kept

  std::atomic<std::uint32_t> wanted_ = 0;   // writings that were asked for
  std::atomic<std::uint32_t> written_ = 0;  // the last of them that was done
  std::mutex problem_mutex_;
  std::optional<std::string> write_problem_;

  // Of the thread, once it runs.
  std::string path_;
  ProfileHeader header_;
  LatencyBook book_;
  RawLog raw_;
  int raw_error_ = 0;  // an errno: kernels were lost
  std::uint64_t written_events_ = 0;
  std::uint64_t counted_events_ = 0;
};

}  // namespace vernier
