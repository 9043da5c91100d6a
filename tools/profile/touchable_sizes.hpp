// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/profile/traffic.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::profile {

// The calls that a policy can touch, and how often the process with most of them made each.
[[nodiscard]] workload::Workload touchable_sizes(const Traffic& traffic);

}  // namespace vernier::profile
