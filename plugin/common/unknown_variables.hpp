// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin/common/nccl_log.hpp"

namespace vernier {

// One warning for each variable that starts with NCCL_VERNIER_ and is none of ours, with the
// nearest name. Throws std::bad_alloc.
void warn_about_unknown_variables(const NcclLog& log);

}  // namespace vernier
