// SPDX-License-Identifier: Apache-2.0
//
// Invented variables of this NCCL, for environment bundles:
//   NCCL_FAKE_FAST=1     everything takes 0.8 of its time
//   NCCL_FAKE_TRADE=1    up to 32 KiB 0.6 of its time, above 1.3
//   NCCL_FAKE_LL=1       protocol LL takes 0.6 of its time up to 32 KiB, 3 times its time above,
//                        where it stays what NCCL chooses: pays with a rule alone
//   NCCL_FAKE_MIB=N      a communicator takes N MiB more
//   NCCL_FAKE_NOTHING    changes nothing
//   NCCL_FAKE_SOUND=1    has none of the faults of FAKE_NCCL_FAULT
//   NCCL_FAKE_MODE       anything but "usual" or "no-allgather" is refused at creation; with the
//                        latter an allgather is refused; "breaks" also makes the file that
//                        FAKE_NCCL_BROKEN_FILE names, which nobody survives from then on
#pragma once

#include <cstddef>

namespace vernier::fake_machine {

[[nodiscard]] bool refuses_communicators();
[[nodiscard]] bool refuses_allgather();
[[nodiscard]] bool has_faults();

[[nodiscard]] std::size_t more_bytes();

// What the time of a call is multiplied by.
[[nodiscard]] double time_factor(std::size_t total_bytes, int protocol);

}  // namespace vernier::fake_machine
