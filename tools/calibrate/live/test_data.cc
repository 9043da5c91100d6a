// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/test_data.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace vernier::calibrate {
namespace {

// 0 to `largest`; the two sets differ at every place.
std::uint32_t value_at(std::uint64_t index, int rank, int set, std::uint32_t largest) {
  std::uint64_t mixed =
      index * 0x9E3779B97F4A7C15u + static_cast<std::uint64_t>(rank) * 0x94D049BB133111EBu;
  mixed ^= mixed >> 31;
  mixed *= 0xD6E8FEB86659FD93u;
  const std::uint32_t shift = static_cast<std::uint32_t>(set) * ((largest + 1) / 2);
  return (static_cast<std::uint32_t>(mixed >> 40) + shift) % (largest + 1);
}

// Sums up to 256 are exact in bfloat16, which has the fewest digits.
std::uint32_t largest_value(int ranks) {
  return std::max(1u, 256u / static_cast<std::uint32_t>(ranks));
}

void store(std::uint8_t* place, const DataType& type, std::uint32_t value) {
  const std::uint32_t single = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if (type.element_bytes == 4) {
    std::memcpy(place, &single, 4);
    return;
  }
  std::uint16_t half = 0;
  if (type.name == "bfloat16") {
    half = static_cast<std::uint16_t>(single >> 16);  // integers up to 256 lose nothing
  } else if (value != 0) {
    const std::uint32_t exponent = (single >> 23) - 127 + 15;
    half = static_cast<std::uint16_t>(exponent << 10 | (single >> 13 & 0x3FF));
  }
  std::memcpy(place, &half, 2);
}

// Values repeat after so many elements: a prime, so that whatever NCCL cuts data into, pieces that
// change places differ. Every launch makes some hundred MiB of them, and copying is fast.
constexpr std::uint64_t kPeriod = 65521;

template <typename Value>
std::vector<std::uint8_t> fill(std::uint64_t nbytes, const DataType& type, Value value) {
  std::vector<std::uint8_t> bytes(nbytes);
  const std::uint64_t period_bytes = kPeriod * type.element_bytes;
  const std::uint64_t first_bytes = std::min(nbytes, period_bytes);
  for (std::uint64_t i = 0; i < first_bytes / type.element_bytes; ++i) {
    store(bytes.data() + i * type.element_bytes, type, value(i));
  }
  for (std::uint64_t at = period_bytes; at < nbytes; at += period_bytes) {
    std::copy_n(bytes.data(), std::min(period_bytes, nbytes - at), bytes.data() + at);
  }
  return bytes;
}

std::int64_t first_difference(const std::uint8_t* found, const std::uint8_t* wanted,
                              std::uint64_t nbytes) {
  if (std::memcmp(found, wanted, nbytes) == 0) return -1;
  return std::mismatch(found, found + nbytes, wanted).first - found;
}

}  // namespace

Extent extent_of(const Point& point, int ranks, std::uint32_t element_bytes) {
  const std::uint64_t part = point.nbytes / static_cast<std::uint64_t>(ranks);
  switch (point.collective) {
    case Collective::allgather: return {part, point.nbytes, part / element_bytes};
    case Collective::reducescatter: return {point.nbytes, part, part / element_bytes};
    default: return {point.nbytes, point.nbytes, point.nbytes / element_bytes};
  }
}

TestData::TestData(int ranks, int rank, DataType type, std::uint64_t max_bytes)
    : ranks_(ranks), rank_(rank), type_(type) {
  const std::uint32_t largest = largest_value(ranks);
  for (int set = 0; set < kSets; ++set) {
    const auto of_rank = [&](int r) {
      return [=](std::uint64_t i) { return value_at(i, r, set, largest); };
    };
    sent_[at(set)] = fill(max_bytes, type, of_rank(rank));
    sum_[at(set)] = fill(max_bytes, type, [&](std::uint64_t i) {
      std::uint32_t total = 0;
      for (int r = 0; r < ranks; ++r) total += value_at(i, r, set, largest);
      return total;
    });
    for (int r = 0; r < ranks; ++r) {
      // The root's whole buffer is what a broadcast delivers.
      const std::uint64_t nbytes =
          r == kRoot ? max_bytes : max_bytes / static_cast<unsigned>(ranks);
      sent_by_[at(set)].push_back(fill(nbytes, type, of_rank(r)));
    }
  }
}

std::int64_t TestData::first_wrong_byte(const Point& point, int set,
                                        const std::uint8_t* output) const {
  const Extent extent = extent_of(point, ranks_, type_.element_bytes);
  const std::vector<std::uint8_t>& sum = sum_[at(set)];
  const auto& sent_by = sent_by_[at(set)];
  switch (point.collective) {
    case Collective::allreduce: return first_difference(output, sum.data(), extent.recv_bytes);
    case Collective::reduce:
      return rank_ == kRoot ? first_difference(output, sum.data(), extent.recv_bytes) : -1;
    case Collective::broadcast:
      return first_difference(output, sent_by[kRoot].data(), extent.recv_bytes);
    case Collective::reducescatter:
      return first_difference(output, sum.data() + static_cast<unsigned>(rank_) * extent.recv_bytes,
                              extent.recv_bytes);
    case Collective::allgather:
      for (int r = 0; r < ranks_; ++r) {
        const std::uint64_t start = static_cast<unsigned>(r) * extent.send_bytes;
        const std::int64_t wrong = first_difference(
            output + start, sent_by[static_cast<std::size_t>(r)].data(), extent.send_bytes);
        if (wrong >= 0) return static_cast<std::int64_t>(start) + wrong;
      }
      return -1;
  }
  return 0;
}

}  // namespace vernier::calibrate
