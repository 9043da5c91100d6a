// SPDX-License-Identifier: Apache-2.0
//
// What every rank sends in a check, and what has to come out: small integers, so that every sum is
// exact in every data type. Neighbours and ranks differ nearly everywhere.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/calibrate/configuration.hpp"

namespace vernier::calibrate {

// Where NCCL reads and writes for one call.
struct Extent {
  std::uint64_t send_bytes;
  std::uint64_t recv_bytes;
  std::uint64_t count;  // as the NCCL function takes it
};
[[nodiscard]] Extent extent_of(const Point& point, int ranks, std::uint32_t element_bytes);

inline constexpr int kRoot = 0;  // of broadcast and reduce

class TestData {
 public:
  // Two sets that differ at every place: what a broken transport left behind of one does not pass
  // for the other.
  static constexpr int kSets = 2;

  TestData(int ranks, int rank, DataType type, std::uint64_t max_bytes);

  // What this rank sends: a prefix of it is sent in every call.
  [[nodiscard]] const std::vector<std::uint8_t>& sent(int set) const { return sent_[at(set)]; }

  // Bytes of `output` (the whole receive buffer of `point`) that are not what they have to be, as
  // the place of the first; -1 when all are. Only the root's output counts in a reduce.
  [[nodiscard]] std::int64_t first_wrong_byte(const Point& point, int set,
                                              const std::uint8_t* output) const;

 private:
  static std::size_t at(int set) { return static_cast<std::size_t>(set); }

  int ranks_;
  int rank_;
  DataType type_;
  std::vector<std::uint8_t> sent_[kSets];
  std::vector<std::uint8_t> sum_[kSets];
  std::vector<std::vector<std::uint8_t>> sent_by_[kSets];  // by rank, the part an allgather reads
};

}  // namespace vernier::calibrate
