// SPDX-License-Identifier: Apache-2.0
//
// A workload as JSON: what `vernier workload --json` and `vernier profile suggest` print, and
// `vernier calibrate --from-profile` reads. docs/workload.md is the format.
#pragma once

#include <string>
#include <string_view>

#include "tools/common/output.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::workload {

[[nodiscard]] Json to_json(const Workload& workload);

// Each throws Malformed, which says what is wrong.
[[nodiscard]] Workload parse_traffic(std::string_view text);
[[nodiscard]] Workload traffic_of(const Json& json);

}  // namespace vernier::workload
