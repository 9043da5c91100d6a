// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "vernier/diagnostic.hpp"

namespace vernier {

// Says why a command has no result: on stderr, or as the JSON document that takes its place.
void report_errors(const std::string& origin, const Diagnostics& errors, bool json);

// The same for a reason that has no place in a text.
void report_error(const std::string& origin, std::string problem, bool json);

}  // namespace vernier
