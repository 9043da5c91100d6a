// SPDX-License-Identifier: Apache-2.0
//
// NCCL's log, as far as a calibration reads it: NCCL_DEBUG, NCCL_DEBUG_SUBSYS and NCCL_DEBUG_FILE,
// flushed line by line.
#pragma once

#include "tests/fake_machine/nccl/call.hpp"

namespace vernier::fake_machine {

// What the tuner has logged since the last call.
void log_tuner_lines(int device);

// The channels that a communicator got. For rank 0 to call, both.
void log_channels(int device, int channels);

// What was chosen for a call, in the words of the release.
void log_choice(int release, int device, const Call& call, const Extent& extent,
                const Decision& decision, double predicted_us);

}  // namespace vernier::fake_machine
