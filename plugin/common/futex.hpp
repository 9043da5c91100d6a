// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a word of memory to change, in one process or shared between several.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace vernier {

using Deadline = std::chrono::steady_clock::time_point;

// Sleeps while `word` is `value`, until `deadline` at most; may wake early.
void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                Deadline deadline) noexcept;
void wake_all(std::atomic<std::uint32_t>& word) noexcept;

}  // namespace vernier
