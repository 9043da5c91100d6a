// SPDX-License-Identifier: Apache-2.0
//
// What NCCL tells a profiler, as counters. One per process, never destroyed.
//
// Every function on the hot path is thread-safe, takes no lock, allocates nothing, does no I/O and
// logs nothing; a thread's first event maps memory for its table.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugin/profiler/call_table.hpp"
#include "plugin/profiler/sampler.hpp"

namespace vernier {

// What NCCL says at init, from 2.27 on.
struct CommunicatorDescription {
  std::uint64_t comm_id = 0;
  std::string name;  // may be empty
  int nodes = 0;     // 0, as ranks, and -1 for rank: not known
  int ranks = 0;
  int rank = -1;
};

struct ProfiledCommunicator {
  std::uint32_t index = 0;  // in the log, from 1 on; 0 is all that are too many to tell apart
  CommunicatorDescription told;
  // Of NCCL 2.23 to 2.26, which tells these with each event.
  std::atomic<std::uint64_t> seen_comm_id = 0;
  std::atomic<int> seen_rank = -1;
  // Calls that went into graphs. Ranks make the same calls: a call's number is the same on all.
  std::atomic<std::uint32_t> captured_calls = 0;
};

// A collective or a point-to-point operation: of the API, or as a kernel runs it.
struct OperationFacts {
  Operation operation = Operation::other;
  DataType data_type = DataType::other;
  std::uint64_t count = 0;
};

struct KernelFacts : OperationFacts {
  std::uint8_t algorithm = kNoAlgorithm;
  std::uint8_t protocol = kNoProtocol;
  std::uint8_t channels = 0;
};

class Recorder {
 public:
  static constexpr std::size_t kMaxTables = 128;         // threads at one time
  static constexpr std::uint32_t kMaxExactCalls = 2048;  // then sizes share buckets
  static constexpr std::uint32_t kMaxCalls = 131072;     // kernels too: 8 MiB
  static constexpr std::size_t kMaxCommunicators = 16384;

  static Recorder& instance();

  // HOT PATH. What a call on `stream` is counted as; null where it is not. Lives as long as the
  // process, so that it can be the parent of kernels that graphs replay long after.
  const Call* count_call(ProfiledCommunicator& communicator, const OperationFacts& facts,
                         void* stream, bool captured) noexcept;
  // HOT PATH. `parent`: what count_call returned for the call, or null. Returns what the kernel is
  // counted as; null where it is not.
  const Call* count_kernel(const ProfiledCommunicator& communicator, const Call* parent,
                           const KernelFacts& facts) noexcept;
  // HOT PATH. The first of a group's calls is to come: kernels of what was launched before are not.
  // The end of a group says nothing: where groups are nested, as torch nests them, it comes before
  // the launch.
  void begin_group() noexcept;
  // HOT PATH. Around the launch of a group's kernel; null where it is not timed.
  TimedLaunch* begin_launch(void* stream) noexcept;
  void end_launch(TimedLaunch& launch) noexcept;

  // The rest: thread-safe, and allowed to allocate.

  // Lives as long as the process. Throws std::bad_alloc.
  ProfiledCommunicator& add(CommunicatorDescription description);
  [[nodiscard]] std::vector<const ProfiledCommunicator*> communicators();
  [[nodiscard]] std::vector<const CallTable*> tables() const;
  // Events of more threads than kMaxTables.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  // In a forked child: what the parent counted is the parent's.
  void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }

 private:
  struct Thread;
  static Thread& this_thread() noexcept;
  CallTable* claim_table() noexcept;
  CallTable* table_of(Thread& thread) noexcept;
  Call* count(CallTable& table, CallKey key, int ranks) noexcept;

  std::atomic<bool> stopped_ = false;
  std::atomic<std::uint32_t> exact_calls_ = 0;
  std::atomic<std::uint32_t> all_calls_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::array<std::atomic<CallTable*>, kMaxTables> tables_{};
  std::mutex mutex_;  // of communicators_
  std::vector<std::unique_ptr<ProfiledCommunicator>> communicators_;
};

// The smallest size of the quarter of a power of two in which `nbytes` lies: 4, 5, 6 or 7 times a
// power of two; below 4 the size itself.
[[nodiscard]] std::uint64_t size_bucket(std::uint64_t nbytes) noexcept;

}  // namespace vernier
