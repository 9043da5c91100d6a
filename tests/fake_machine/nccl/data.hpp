// SPDX-License-Identifier: Apache-2.0
//
// Elements: sizes, and sums that are exact where the true result is a small integer.
#pragma once

#include <cstddef>
#include <span>

namespace vernier::fake_machine {

// 0: no such type.
[[nodiscard]] std::size_t element_bytes(int type);

// FP8 can only be copied; averages and operators made by the client are not there.
[[nodiscard]] bool can_reduce(int type, int op);

// Combines the elements at each of `inputs`, in order, into `output`, which may be one of them.
void reduce(std::span<const std::byte* const> inputs, std::byte* output, std::size_t count,
            int type, int op);

// For faults.
void add_one(std::byte* element, int type);

}  // namespace vernier::fake_machine
