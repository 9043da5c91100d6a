// SPDX-License-Identifier: Apache-2.0
//
// What NCCL's profiler events name. NCCL names it by strings from profiler v2 on and by its own
// numbers in v1 (2.23 to 2.30).
#pragma once

#include "vernier/operations.hpp"

namespace vernier {

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
