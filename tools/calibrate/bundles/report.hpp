// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/calibrate/bundles/trial.hpp"

namespace vernier::calibrate {

// One row a bundle: alone, with its policy, and what came of it.
[[nodiscard]] std::string table_text(const Trial& trial, const Weights& weights);

// One sentence, and what has to hold where a conditional bundle won.
[[nodiscard]] std::string verdict(const Trial& trial);

[[nodiscard]] Json to_json(const Trial& trial);

}  // namespace vernier::calibrate
