// SPDX-License-Identifier: Apache-2.0
//
// Answers of a machine as JSON, for machine_tree and machine_recorder: docs/doctor.md has the
// format. What is absent is not written; what is unreadable is {"unreadable": WHY}; text that is
// not UTF-8 is {"hex": ...}.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/common/json_members.hpp"
#include "tools/machine/nvml_answers.hpp"
#include "tools/machine/shared_object.hpp"
#include "tools/machine/verbs_answers.hpp"

namespace vernier::machine {

// Each `from_json` throws Malformed.
[[nodiscard]] Json to_json(const std::string& text);
[[nodiscard]] Json to_json(bool value);
[[nodiscard]] Json to_json(int value);
[[nodiscard]] Json to_json(std::uint64_t value);
[[nodiscard]] Json to_json(const std::vector<std::string>& names);
[[nodiscard]] Json to_json(const SharedObject& object);
[[nodiscard]] Json to_json(const NvmlAnswers& answers);
[[nodiscard]] Json to_json(const VerbsDevice& device);
[[nodiscard]] Json to_json(const VerbsAnswers& answers);
void from_json(const Json& json, std::string& text);
void from_json(const Json& json, bool& value);
void from_json(const Json& json, int& value);
void from_json(const Json& json, std::uint64_t& value);
void from_json(const Json& json, std::vector<std::string>& names);
void from_json(const Json& json, SharedObject& object);
void from_json(const Json& json, NvmlAnswers& answers);
void from_json(const Json& json, VerbsDevice& device);
void from_json(const Json& json, VerbsAnswers& answers);

template <typename T>
void put(Json& object, const std::string& name, const Reading<T>& reading) {
  if (reading.present()) object[name] = to_json(reading.value);
  if (reading.is_unreadable()) object[name] = Json{{"unreadable", reading.why}};
}

template <typename T>
[[nodiscard]] Reading<T> take(const Json& object, const std::string& name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  if (found->is_object() && found->contains("unreadable")) {
    return Reading<T>::unreadable(text(*found, "unreadable"));
  }
  T value{};
  from_json(*found, value);
  return Reading<T>::of(std::move(value));
}

}  // namespace vernier::machine
