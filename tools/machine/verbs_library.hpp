// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/machine/verbs_answers.hpp"

namespace vernier::machine {

// Asks libibverbs.so.1, which NCCL would use. Absent: there is no such library.
[[nodiscard]] Reading<VerbsAnswers> ask_verbs();

}  // namespace vernier::machine
