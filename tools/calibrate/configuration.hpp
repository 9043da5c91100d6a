// SPDX-License-Identifier: Apache-2.0
//
// What is measured: a call, and a way for NCCL to run it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vernier/names.hpp"

namespace vernier::calibrate {

// One collective at one size. Bytes are totals, as NCCL's tuner counts them: for allgather and
// reducescatter ranks x per-rank bytes.
struct Point {
  Collective collective;
  std::uint64_t nbytes;
  friend constexpr auto operator<=>(const Point&, const Point&) = default;
};
[[nodiscard]] std::string describe(const Point& point);  // "allreduce 64KiB"

// A cell of NCCL's cost table and a channel request, or NCCL's own choice.
struct Configuration {
  std::optional<Choice> choice;  // absent: NCCL's own choice, channels included
  int channels = 0;              // 0: NCCL's number
  friend constexpr bool operator==(const Configuration&, const Configuration&) = default;
  [[nodiscard]] bool is_default() const { return !choice && channels == 0; }
};
inline constexpr Configuration kDefault{};

// "default", "ring/ll" or "ring/ll/4", and back; nullopt for any other text.
[[nodiscard]] std::string format_configuration(const Configuration& configuration);
[[nodiscard]] std::optional<Configuration> parse_configuration(std::string_view text);

// The elements that are sent. Integers up to 256 are exact in each, and so are their sums.
struct DataType {
  std::string_view name;
  int nccl;  // ncclDataType_t
  std::uint32_t element_bytes;
};
[[nodiscard]] std::optional<DataType> find_data_type(std::string_view name);
inline constexpr std::string_view kDataTypeNames = "bfloat16, float16 or float32";

// The largest call of at most `nbytes`: whole elements, and as many on each rank. Zero when there
// is none.
[[nodiscard]] std::uint64_t whole_bytes(Collective collective, std::uint64_t nbytes, int ranks,
                                        std::uint32_t element_bytes);

}  // namespace vernier::calibrate
