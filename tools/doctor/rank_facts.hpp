// SPDX-License-Identifier: Apache-2.0
//
// What of a rank's machine the ranks of a job are compared by: from its facts, as short text.
#pragma once

#include "tools/common/output.hpp"
#include "tools/doctor/findings.hpp"

namespace vernier::doctor {

// An object of name to text. Files (plugins, the policy of NCCL_VERNIER_POLICY) are read here, and
// count by their digest, not by their folder. Left out: variables that launchers and people set by
// rank.
[[nodiscard]] Json rank_facts(const Facts& facts);

// One of a list in JSON, and back. Throws Json::exception where it is none.
[[nodiscard]] Json to_json(const Finding& finding);
[[nodiscard]] Finding finding_of(const Json& json);

}  // namespace vernier::doctor
