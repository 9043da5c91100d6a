// SPDX-License-Identifier: Apache-2.0
//
// What this invented machine predicts, and what is really so. Two predictions are wrong, so that
// there is something to find:
//   several nodes, allreduce of 16 to 256 KiB: tree/ll is 1.3 times faster than the default choice;
//   one node, allgather from 2 MiB on: ring/ll128 is 1.25 times faster than it.
// Everything else is as predicted: never faster than the default choice. Beside that, with both
// buffers in symmetric windows a call takes 0.6 of its time up to 32 KiB and 1.5 above, and an
// exchange between neighbours 3 us.
#pragma once

#include <vector>

#include "tests/contract/nccl_like/api.h"

namespace vernier::fake_machine {

inline constexpr int kProtocols = 3;

// NCCL's predicted microseconds, [algorithms][kProtocols], negative where a cell cannot run.
[[nodiscard]] std::vector<float> predict_us(const NcclLikeShape& shape, ncclFunc_t func,
                                            std::size_t total_bytes, bool fp8, int algorithms);

// The real microseconds of a cell that runs on `channels` where `default_channels` would be used.
[[nodiscard]] double true_us(const NcclLikeShape& shape, ncclFunc_t func, std::size_t total_bytes,
                             const std::vector<float>& predicted_us, int cell, int channels,
                             int default_channels);

// What the time of a call is multiplied by where both its buffers are in symmetric windows.
[[nodiscard]] double windows_factor(std::size_t total_bytes);
inline constexpr double kExchangeUs = 3;

}  // namespace vernier::fake_machine
