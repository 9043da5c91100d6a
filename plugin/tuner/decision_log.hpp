// SPDX-License-Identifier: Apache-2.0
//
// What was decided about each communicator, beside the profiler's files: so that a reader can tell
// what was asked for.
#pragma once

#include "plugin/common/nccl_log.hpp"
#include "plugin/tuner/activation.hpp"
#include "plugin/tuner/communicator_facts.hpp"

namespace vernier {

// A line in tuner-*.jsonl, and the policy itself as policy-DIGEST.toml (docs/log-format.md). Does
// nothing where NCCL_VERNIER_LOG_DIR is not set; warns once where it cannot write. Throws
// std::bad_alloc.
void log_decision(const Activation& activation, const CommunicatorFacts& facts, const NcclLog& log);

}  // namespace vernier
