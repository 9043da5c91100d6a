// SPDX-License-Identifier: Apache-2.0
//
// Facts and findings as text for people, and as JSON; docs/doctor.md describes both.
#pragma once

#include <string>

#include "tools/common/output.hpp"
#include "tools/doctor/findings.hpp"

namespace vernier::doctor {

[[nodiscard]] std::string text_of(const Facts& facts, const std::vector<Finding>& findings);
[[nodiscard]] Json json_of(const Facts& facts, const std::vector<Finding>& findings);

// Of the facts alone; text_of() puts them together.
[[nodiscard]] std::string text_of_devices(const Facts& facts);
[[nodiscard]] std::string text_of_software(const Facts& facts);

// "yes", "no", or "unreadable: WHY".
template <typename T>
[[nodiscard]] std::string shown(const Reading<T>& reading, const std::string& present,
                                const std::string& absent) {
  if (reading.is_unreadable()) return "unreadable: " + reading.why;
  return reading.present() ? present : absent;
}

}  // namespace vernier::doctor
