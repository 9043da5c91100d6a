// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/data.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/fake_machine/nccl/api.hpp"

namespace vernier::fake_machine {
namespace {

// How elements lie in memory, and what they are computed in.
template <typename Number>
struct Plain {
  using Stored = Number;
  using Value = Number;
  static Value load(Stored stored) { return stored; }
  static Stored store(Value value) { return value; }
};

struct Bfloat16 {
  using Stored = std::uint16_t;
  using Value = float;
  static float load(Stored stored) { return std::bit_cast<float>(std::uint32_t{stored} << 16); }
  static Stored store(float value) {
    return static_cast<Stored>(std::bit_cast<std::uint32_t>(value) >> 16);
  }
};

struct Float16 {
  using Stored = std::uint16_t;
  using Value = float;
  static float load(Stored stored) {
    const std::uint32_t sign = std::uint32_t{stored & 0x8000u} << 16;
    const std::uint32_t exponent = stored >> 10 & 0x1F;
    const std::uint32_t digits = stored & 0x3FF;
    if (exponent == 0) {
      const float small = static_cast<float>(digits) * 0x1p-24f;
      return sign == 0 ? small : -small;
    }
    const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    return std::bit_cast<float>(sign | wide << 23 | digits << 13);
  }
  // Cuts digits off, and what is too small for a normal number.
  static Stored store(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000;
    const std::uint32_t exponent = bits >> 23 & 0xFF;
    if (std::isnan(value)) return 0x7FFF;
    if (exponent < 113) return static_cast<Stored>(sign);
    if (exponent > 142) return static_cast<Stored>(sign | 0x7C00);
    return static_cast<Stored>(sign | (exponent - 112) << 10 | (bits >> 13 & 0x3FF));
  }
};

template <typename Value>
Value combine(Value a, Value b, int op) {
  switch (op) {
    case kSum: return static_cast<Value>(a + b);
    case kProduct: return static_cast<Value>(a * b);
    case kMax: return std::max(a, b);
    default: return std::min(a, b);
  }
}

template <typename Element>
void reduce_as(std::span<const std::byte* const> inputs, std::byte* output, std::size_t count,
               int op) {
  using Stored = typename Element::Stored;
  constexpr std::size_t kBlock = 1024;
  std::array<Stored, kBlock> stored;
  std::array<typename Element::Value, kBlock> values;
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t n = std::min(kBlock, count - first);
    for (std::size_t input = 0; input < inputs.size(); ++input) {
      std::memcpy(stored.data(), inputs[input] + first * sizeof(Stored), n * sizeof(Stored));
      if (input == 0) {
        for (std::size_t i = 0; i < n; ++i) values[i] = Element::load(stored[i]);
      } else if (op == kSum) {  // the one that matters, without a branch per element
        for (std::size_t i = 0; i < n; ++i) values[i] += Element::load(stored[i]);
      } else {
        for (std::size_t i = 0; i < n; ++i) {
          values[i] = combine(values[i], Element::load(stored[i]), op);
        }
      }
    }
    for (std::size_t i = 0; i < n; ++i) stored[i] = Element::store(values[i]);
    std::memcpy(output + first * sizeof(Stored), stored.data(), n * sizeof(Stored));
  }
}

// Calls `use` with the description of `type`; false where there is none to compute with.
template <typename Use>
bool with_element(int type, Use use) {
  switch (type) {
    case 0: use(Plain<std::int8_t>{}); return true;
    case 1: use(Plain<std::uint8_t>{}); return true;
    case 2: use(Plain<std::int32_t>{}); return true;
    case 3: use(Plain<std::uint32_t>{}); return true;
    case 4: use(Plain<std::int64_t>{}); return true;
    case 5: use(Plain<std::uint64_t>{}); return true;
    case kFloat16: use(Float16{}); return true;
    case kFloat32: use(Plain<float>{}); return true;
    case kFloat64: use(Plain<double>{}); return true;
    case kBfloat16: use(Bfloat16{}); return true;
    default: return false;
  }
}

}  // namespace

std::size_t element_bytes(int type) {
  constexpr std::size_t kBytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
  return type >= 0 && type < static_cast<int>(std::size(kBytes)) ? kBytes[type] : 0;
}

bool can_reduce(int type, int op) {
  return op >= kSum && op <= kMin && with_element(type, [](auto) {});
}

void reduce(std::span<const std::byte* const> inputs, std::byte* output, std::size_t count,
            int type, int op) {
  with_element(type,
               [&]<typename Element>(Element) { reduce_as<Element>(inputs, output, count, op); });
}

void add_one(std::byte* element, int type) {
  const bool added = with_element(type, [&]<typename Element>(Element) {
    typename Element::Stored stored;
    std::memcpy(&stored, element, sizeof stored);
    const auto value = static_cast<typename Element::Value>(Element::load(stored) + 1);
    stored = Element::store(value);
    std::memcpy(element, &stored, sizeof stored);
  });
  if (!added) *element ^= std::byte{1};
}

}  // namespace vernier::fake_machine
