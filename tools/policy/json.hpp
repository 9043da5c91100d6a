// SPDX-License-Identifier: Apache-2.0
//
// The parts of JSON documents that several commands share. What a policy does not state is null.
#pragma once

#include "tools/common/output.hpp"
#include "vernier/policy.hpp"

namespace vernier {

[[nodiscard]] Json to_json(const Diagnostics& diagnostics);
[[nodiscard]] Json to_json(const Rule& rule);
[[nodiscard]] Json to_json(const Scalar& value);
[[nodiscard]] Json to_json(std::optional<Choice> choice);

template <typename T>
[[nodiscard]] Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace vernier
