// SPDX-License-Identifier: Apache-2.0
//
// A rank's buffers in symmetric windows of a communicator: what NCCL needs to use the kernels that
// no tuner touches.
#pragma once

#include <cstddef>
#include <functional>

#include "tools/calibrate/live/nccl_library.hpp"

namespace vernier::calibrate {

struct Windows {
  enum class State {
    open,
    not_in_this_nccl,
    no_symmetric_memory,  // of this communicator
    failed,               // on this rank; stderr says what
  };

  void* send = nullptr;
  void* recv = nullptr;
};

// The largest value of all ranks.
using Agree = std::function<float(float)>;

// Allocates and registers both buffers, `nbytes` each; every rank of `communicator` calls it, and
// all come to the same state. Memory and windows live as long as the process.
[[nodiscard]] Windows::State open_windows(const NcclLibrary& nccl, NcclComm communicator,
                                          std::size_t nbytes, const Agree& agree, Windows& windows);

}  // namespace vernier::calibrate
