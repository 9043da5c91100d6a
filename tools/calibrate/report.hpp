// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/calibrate/fit.hpp"

namespace vernier::calibrate {

// NCCL's own choice against the policy, one row a point; ranges of ratios are 95 % intervals.
[[nodiscard]] std::string table_text(const Fit& fit);

// One sentence: what to do.
[[nodiscard]] std::string verdict(const Fit& fit);

// What the null run says, in one sentence.
[[nodiscard]] std::string null_text(const NullRun& null);

// What the plugin did at sizes that nobody had measured, in one sentence; empty: it was not run.
[[nodiscard]] std::string confirmed_text(const Fit& fit);

// What graphs would have gained and eager calls would have paid, in one sentence; empty: nothing.
[[nodiscard]] std::string eager_text(const Fit& fit);

[[nodiscard]] Json to_json(const Fit& fit);

// "1.320 [1.301, 1.339]", and "-" where there are no two launches.
[[nodiscard]] std::string interval_text(const RatioInterval& interval);
[[nodiscard]] Json interval_json(const RatioInterval& interval);  // null where there are no two

// The rule that covers a point where NCCL's own choice is `own`; nullptr: none.
[[nodiscard]] const Rule* rule_at(const Policy& policy, const JudgedPoint& judged);

}  // namespace vernier::calibrate
