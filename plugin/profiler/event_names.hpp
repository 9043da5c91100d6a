// SPDX-License-Identifier: Apache-2.0
//
// What NCCL's profiler events name, as numbers that fit into a byte, and their spelling in our
// logs. NCCL names them by strings from profiler v2 on and by its own numbers in v1 (2.23 to 2.30).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace vernier {

// Values are those of ncclFunc_t (NCCL 2.28).
enum class Operation : std::uint8_t {
  broadcast,
  reduce,
  allgather,
  reducescatter,
  allreduce,
  sendrecv,
  send,
  recv,
  alltoall,
  scatter,
  gather,
  other,
};
inline constexpr std::array<std::string_view, 12> kOperationNames = {
    "broadcast", "reduce", "allgather", "reducescatter", "allreduce", "sendrecv",
    "send",      "recv",   "alltoall",  "scatter",       "gather",    "other"};

// Values are those of ncclDataType_t.
enum class DataType : std::uint8_t {
  int8,
  uint8,
  int32,
  uint32,
  int64,
  uint64,
  float16,
  float32,
  float64,
  bfloat16,
  float8e4m3,
  float8e5m2,
  other,
};
inline constexpr std::array<std::string_view, 13> kDataTypeNames = {
    "int8",    "uint8",   "int32",    "uint32",     "int64",      "uint64", "float16",
    "float32", "float64", "bfloat16", "float8e4m3", "float8e5m2", "other"};
inline constexpr std::array<std::uint8_t, 13> kDataTypeBytes = {1, 1, 4, 4, 8, 8, 2,
                                                                4, 8, 2, 1, 1, 0};

// What runs a collective: NCCL's algorithm numbers (names.hpp), or one of these.
inline constexpr std::uint8_t kCopyEngine = 254;
inline constexpr std::uint8_t kNoAlgorithm = 255;  // none was named, or one that we do not know
inline constexpr std::uint8_t kNoProtocol = 255;

// NCCL's strings, null allowed, and v1's numbers. HOT PATH: some ten nanoseconds.
[[nodiscard]] Operation find_operation(const char* name) noexcept;
[[nodiscard]] Operation find_operation(std::uint8_t number) noexcept;
[[nodiscard]] DataType find_data_type(const char* name) noexcept;
[[nodiscard]] DataType find_data_type(std::uint8_t number) noexcept;
[[nodiscard]] std::uint8_t find_algorithm(const char* name) noexcept;
[[nodiscard]] std::uint8_t find_algorithm(std::uint8_t number) noexcept;
[[nodiscard]] std::uint8_t find_protocol(const char* name) noexcept;
[[nodiscard]] std::uint8_t find_protocol(std::uint8_t number) noexcept;

}  // namespace vernier
