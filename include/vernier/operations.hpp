// SPDX-License-Identifier: Apache-2.0
//
// What can be sent to NCCL, tuned or not, and of what type: as numbers that fit into a byte, and
// their spelling in profiles.
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

}  // namespace vernier
