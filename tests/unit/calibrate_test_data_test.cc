// SPDX-License-Identifier: Apache-2.0
//
// What a broken transport leaves behind is found, on every rank: elements that are stale, that were
// never written, or that belong elsewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "tools/calibrate/live/test_data.hpp"

namespace vernier::calibrate {
namespace {

constexpr int kRanks = 4;
constexpr std::uint64_t kBytes = 4096;
constexpr int kSet = 1;

using Bytes = std::vector<std::uint8_t>;

std::vector<TestData> all_ranks(const DataType& type) {
  std::vector<TestData> all;
  for (int rank = 0; rank < kRanks; ++rank) all.emplace_back(kRanks, rank, type, kBytes);
  return all;
}

std::ptrdiff_t signed_of(std::uint64_t value) { return static_cast<std::ptrdiff_t>(value); }

// An integer of 0 to 256 from its bytes, by having written all of them: no arithmetic on halves.
class Codec {
 public:
  explicit Codec(const DataType& type) : type_(type) {
    for (std::uint32_t value = 0; value <= 256; ++value)
      values_[packed(encode(value).data())] = value;
  }

  [[nodiscard]] Bytes encode(std::uint32_t value) const {
    const auto single = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &single, 4);
    Bytes bytes(type_.element_bytes);
    if (type_.element_bytes == 4) {
      std::memcpy(bytes.data(), &bits, 4);
      return bytes;
    }
    // float16 has 5 bits of exponent, biased by 15, and 10 of fraction.
    std::uint32_t half = bits >> 16;
    if (type_.name == "float16" && value > 0) {
      int exponent = 0;
      while (value >> (exponent + 1) != 0) ++exponent;
      half = static_cast<std::uint32_t>(exponent + 15) << 10 | ((value << 10 >> exponent) & 0x3FFu);
    }
    bytes[0] = static_cast<std::uint8_t>(half);
    bytes[1] = static_cast<std::uint8_t>(half >> 8);
    return bytes;
  }

  // Fails where the bytes are no integer of 0 to 256.
  [[nodiscard]] std::uint32_t decode(const std::uint8_t* place) const {
    return values_.at(packed(place));
  }

 private:
  [[nodiscard]] std::uint32_t packed(const std::uint8_t* place) const {
    std::uint32_t key = 0;
    std::memcpy(&key, place, type_.element_bytes);
    return key;
  }

  DataType type_;
  std::map<std::uint32_t, std::uint32_t> values_;  // by bytes
};

// What `rank` has to hold after a call.
Bytes right_output(const Point& point, int rank, const DataType& type,
                   const std::vector<TestData>& all) {
  const Codec codec(type);
  const Extent extent = extent_of(point, kRanks, type.element_bytes);
  Bytes output;
  if (point.collective == Collective::allgather) {
    for (const TestData& data : all) {
      output.insert(output.end(), data.sent(kSet).begin(),
                    data.sent(kSet).begin() + signed_of(extent.send_bytes));
    }
    return output;
  }
  if (point.collective == Collective::broadcast) {
    const Bytes& root = all[kRoot].sent(kSet);
    return {root.begin(), root.begin() + signed_of(extent.recv_bytes)};
  }
  const std::uint64_t first = point.collective == Collective::reducescatter
                                  ? extent.recv_bytes * static_cast<std::uint64_t>(rank)
                                  : 0;
  for (std::uint64_t at = first; at < first + extent.recv_bytes; at += type.element_bytes) {
    std::uint32_t sum = 0;
    for (const TestData& data : all) sum += codec.decode(data.sent(kSet).data() + at);
    const Bytes bytes = codec.encode(sum);
    output.insert(output.end(), bytes.begin(), bytes.end());
  }
  return output;
}

class ExactOutput
    : public testing::TestWithParam<std::tuple<Collective, const char*, std::uint64_t>> {
 protected:
  const DataType type_ = *find_data_type(std::get<1>(GetParam()));
  const Point point_{std::get<0>(GetParam()), std::get<2>(GetParam())};
  const std::vector<TestData> all_ = all_ranks(type_);

  [[nodiscard]] std::int64_t judged(int rank, const Bytes& output) const {
    return all_[static_cast<std::size_t>(rank)].first_wrong_byte(point_, kSet, output.data());
  }
  [[nodiscard]] int judging_ranks() const {
    return point_.collective == Collective::reduce ? 1 : kRanks;
  }
};

TEST_P(ExactOutput, PassesOnEveryRank) {
  for (int rank = 0; rank < judging_ranks(); ++rank) {
    EXPECT_EQ(judged(rank, right_output(point_, rank, type_, all_)), -1) << rank;
  }
}

TEST_P(ExactOutput, WithOneElementMoreIsFoundWhereItIs) {
  const Codec codec(type_);
  for (int rank = 0; rank < judging_ranks(); ++rank) {
    const Bytes right = right_output(point_, rank, type_, all_);
    for (std::uint64_t at = 0; at < right.size(); at += type_.element_bytes) {
      Bytes changed = right;
      const std::uint32_t value = codec.decode(right.data() + at);
      const Bytes other = codec.encode(value == 256 ? 255 : value + 1);
      std::copy(other.begin(), other.end(), changed.begin() + signed_of(at));
      const std::int64_t found = judged(rank, changed);
      EXPECT_GE(found, static_cast<std::int64_t>(at));
      EXPECT_LT(found, static_cast<std::int64_t>(at + type_.element_bytes));
    }
  }
}

// The last element of the buffer as it was before: zeros, ones, or of the other set of data.
TEST_P(ExactOutput, WithItsEndUnwrittenIsFound) {
  for (int rank = 0; rank < judging_ranks(); ++rank) {
    const Bytes right = right_output(point_, rank, type_, all_);
    const std::uint64_t tail = right.size() - right.size() / 4;
    for (const std::uint8_t before : {std::uint8_t{0x00}, std::uint8_t{0xFF}}) {
      Bytes unwritten = right;
      std::fill(unwritten.begin() + signed_of(tail), unwritten.end(), before);
      EXPECT_GE(judged(rank, unwritten), static_cast<std::int64_t>(tail));
    }
    EXPECT_GE(all_[static_cast<std::size_t>(rank)].first_wrong_byte(point_, 0, right.data()), 0);
  }
}

TEST_P(ExactOutput, ShiftedByAnElementIsFound) {
  for (int rank = 0; rank < judging_ranks(); ++rank) {
    const Bytes right = right_output(point_, rank, type_, all_);
    Bytes shifted = right;
    std::rotate(shifted.begin(), shifted.begin() + type_.element_bytes, shifted.end());
    EXPECT_GE(judged(rank, shifted), 0) << rank;
  }
}

// Values repeat after a prime number of elements: large buffers are as full of data as small ones,
// and pieces of them that change places are found.
TEST(LargeData, HasNoGapsAndNoPieceThatPassesForAnother) {
  const DataType type = *find_data_type("bfloat16");
  const std::uint64_t nbytes = (1 << 19) + 6;
  const TestData data(kRanks, 1, type, nbytes);
  const Bytes& sent = data.sent(kSet);
  ASSERT_EQ(sent.size(), nbytes);
  constexpr std::uint64_t kPeriodBytes = 65521 * 2;
  EXPECT_TRUE(std::equal(sent.begin() + kPeriodBytes, sent.end(), sent.begin()));
  const Point point{Collective::broadcast, nbytes};
  const TestData root(kRanks, kRoot, type, nbytes);
  const Bytes& right = root.sent(kSet);
  EXPECT_EQ(data.first_wrong_byte(point, kSet, right.data()), -1);
  for (std::ptrdiff_t piece = 16; piece <= 1 << 18; piece *= 2) {
    Bytes moved = right;
    std::swap_ranges(moved.begin(), moved.begin() + piece, moved.begin() + piece);
    EXPECT_GE(data.first_wrong_byte(point, kSet, moved.data()), 0) << piece;
    Bytes stale = right;
    std::fill(stale.end() - piece, stale.end(), std::uint8_t{0});
    EXPECT_GE(data.first_wrong_byte(point, kSet, stale.data()), 0) << piece;
  }
}

// Ranks of a reducescatter receive different things; what belongs to another rank is wrong.
TEST(ScatteredOutput, OfAnotherRankIsFound) {
  for (const char* const name : {"bfloat16", "float16", "float32"}) {
    const DataType type = *find_data_type(name);
    const std::vector<TestData> all = all_ranks(type);
    const Point point{Collective::reducescatter, kBytes};
    for (int rank = 1; rank < kRanks; ++rank) {
      const Bytes output = right_output(point, rank, type, all);
      EXPECT_GE(all[0].first_wrong_byte(point, kSet, output.data()), 0) << name << " rank " << rank;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Every, ExactOutput,
    testing::Combine(testing::Values(Collective::allreduce, Collective::allgather,
                                     Collective::reducescatter, Collective::broadcast,
                                     Collective::reduce),
                     testing::Values("bfloat16", "float16", "float32"),
                     testing::Values(kBytes, 1024 - 64)),
    [](const auto& one) {
      return std::string(name_of(std::get<0>(one.param))) + "_" + std::get<1>(one.param) + "_" +
             std::to_string(std::get<2>(one.param));
    });

}  // namespace
}  // namespace vernier::calibrate
