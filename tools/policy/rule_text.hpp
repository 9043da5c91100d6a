// SPDX-License-Identifier: Apache-2.0
//
// How commands speak of rules and other values.
#pragma once

#include <optional>
#include <string>

#include "vernier/policy.hpp"

namespace vernier {

// "4 ranks", "1 node", "2 nodes".
[[nodiscard]] std::string count_of(std::int64_t count, std::string_view noun);

// "4 ranks, 1 node"; "any ranks" where the rule names none.
[[nodiscard]] std::string shape_text(std::optional<int> ranks, std::optional<int> nodes);

// "64KiB to 1MiB"
[[nodiscard]] std::string bytes_text(std::uint64_t min_bytes, std::uint64_t max_bytes);

// "ring/ll128, 24 channels"
[[nodiscard]] std::string choice_text(Choice choice, std::optional<int> channels);

// "40.8 -> 30.1 us, 1.30 to 1.41 x"; empty without evidence.
[[nodiscard]] std::string gain_text(const std::optional<Evidence>& evidence);

// As in the policy, without quotes.
[[nodiscard]] std::string scalar_text(const Scalar& value);

}  // namespace vernier
