// SPDX-License-Identifier: Apache-2.0
//
// Writes what the recorder has counted to a file of this process, once a second from a thread of
// its own: a process that is killed loses a second at most.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "plugin/profiler/profile_text.hpp"

namespace vernier {

class ProfileWriter {
 public:
  static ProfileWriter& instance();

  // With the first call: writes a first file and starts the thread. Returns what stands in the way,
  // in words; then nothing is recorded in this process, and nothing is tried again.
  [[nodiscard]] std::optional<std::string> start(const std::string& directory,
                                                 const std::string& nccl, int profiler_abi);

  // Writes what is new. Thread-safe. Returns why that failed, now or in the thread; it is tried
  // again.
  std::optional<std::string> write();

  // In a forked child.
  void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }

 private:
  void run() noexcept;
  void write_if_new();

  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  // of the rest
  bool started_ = false;
  std::optional<std::string> start_problem_;
  std::optional<std::string> write_problem_;
  std::string path_;
  ProfileHeader header_;
  std::uint64_t written_events_ = 0;
  std::uint64_t counted_events_ = 0;
};

}  // namespace vernier
