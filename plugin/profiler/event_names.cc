// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/event_names.hpp"

#include <array>
#include <string_view>

#include "vernier/names.hpp"

namespace vernier {
namespace {

// Index is the number; the spelling is NCCL's (2.24 to 2.30).
constexpr std::array<std::string_view, 11> kOperations = {
    "Broadcast", "Reduce", "AllGather", "ReduceScatter", "AllReduce", "SendRecv",
    "Send",      "Recv",   "AlltoAll",  "Scatter",       "Gather"};
constexpr std::array<std::string_view, 12> kDataTypes = {
    "ncclInt8",    "ncclUint8",    "ncclInt32",      "ncclUint32",
    "ncclInt64",   "ncclUint64",   "ncclFloat16",    "ncclFloat32",
    "ncclFloat64", "ncclBfloat16", "ncclFloat8e4m3", "ncclFloat8e5m2"};
constexpr std::array<std::string_view, 7> kAlgorithms = {
    "TREE", "RING", "COLLNET_DIRECT", "COLLNET_CHAIN", "NVLS", "NVLS_TREE", "PAT"};
constexpr std::array<std::string_view, 3> kProtocols = {"LL", "LL128", "SIMPLE"};
static_assert(kAlgorithms.size() == kAlgorithmNames.size());
static_assert(kProtocols.size() == kProtocolNames.size());

// The index of a name, or `otherwise`. Few names, mostly told apart by their length: a search in
// order is quicker than a hash.
template <std::size_t N>
std::uint8_t find(const std::array<std::string_view, N>& names, const char* name,
                  std::uint8_t otherwise) noexcept {
  if (name == nullptr) return otherwise;
  const std::string_view wanted = name;
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == wanted) return static_cast<std::uint8_t>(i);
  }
  return otherwise;
}

template <std::size_t N>
std::uint8_t in_range(const std::array<std::string_view, N>&, std::uint8_t number,
                      std::uint8_t otherwise) noexcept {
  return number < N ? number : otherwise;
}

}  // namespace

Operation find_operation(const char* name) noexcept {
  return Operation{find(kOperations, name, static_cast<std::uint8_t>(Operation::other))};
}
Operation find_operation(std::uint8_t number) noexcept {
  return Operation{in_range(kOperations, number, static_cast<std::uint8_t>(Operation::other))};
}
DataType find_data_type(const char* name) noexcept {
  return DataType{find(kDataTypes, name, static_cast<std::uint8_t>(DataType::other))};
}
DataType find_data_type(std::uint8_t number) noexcept {
  return DataType{in_range(kDataTypes, number, static_cast<std::uint8_t>(DataType::other))};
}
std::uint8_t find_algorithm(const char* name) noexcept {
  return find(kAlgorithms, name, kNoAlgorithm);
}
std::uint8_t find_algorithm(std::uint8_t number) noexcept {
  return in_range(kAlgorithms, number, kNoAlgorithm);
}
std::uint8_t find_protocol(const char* name) noexcept {
  return find(kProtocols, name, kNoProtocol);
}
std::uint8_t find_protocol(std::uint8_t number) noexcept {
  return in_range(kProtocols, number, kNoProtocol);
}

}  // namespace vernier
