// SPDX-License-Identifier: Apache-2.0
//
// Where the processes of a communicator meet: shared memory with a barrier and room for data. Who
// waits for a process that died waits for ever, as in NCCL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace vernier::fake_machine {

struct Member {
  std::uint64_t host;
  int device;
};

class Meeting {
 public:
  static constexpr int kMaxRanks = 64;
  static constexpr std::size_t kSlotBytes = 512 * 1024;

  // Throws std::system_error. Returns once every rank is there.
  Meeting(const std::string& name, int ranks, int rank, const Member& self);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  [[nodiscard]] int ranks() const { return ranks_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] const Member& member(int rank) const;
  [[nodiscard]] int count_hosts() const;

  // One exchange: every rank takes a turn, writes its slot and stamp, calls barrier(), and reads
  // any slot. What it read lives until its turn after the next, so one barrier a turn is enough.
  void take_turn() { turn_ ^= 1; }
  [[nodiscard]] std::byte* slot(int rank);
  [[nodiscard]] std::uint64_t& stamp(int rank);
  void barrier();

 private:
  struct Shared;

  int ranks_;
  int rank_;
  unsigned turn_ = 0;
  std::size_t nbytes_;
  Shared* shared_;
};

}  // namespace vernier::fake_machine
