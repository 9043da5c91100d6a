// SPDX-License-Identifier: Apache-2.0
#include "tools/common/json_members.hpp"

#include <fmt/format.h>

namespace vernier {
namespace {

constexpr std::size_t kMaxShown = 40;

}  // namespace

const Json& member(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) throw Malformed(fmt::format("\"{}\" is missing", name));
  return *found;
}

std::string text(const Json& json, const char* name) {
  const Json& value = member(json, name);
  if (!value.is_string()) throw Malformed(fmt::format("\"{}\" is not a string", name));
  return value.get<std::string>();
}

double number(const Json& value, const char* what) {
  if (!value.is_number()) throw Malformed(fmt::format("\"{}\" is not a number", what));
  return value.get<double>();
}

std::uint64_t natural(const Json& json, const char* name, std::uint64_t max) {
  const Json& value = member(json, name);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
    throw Malformed(fmt::format("\"{}\" is not a whole number from 0 to {}", name, max));
  }
  return value.get<std::uint64_t>();
}

std::string shown(const Json& value) {
  const std::string whole = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return whole.size() > kMaxShown ? whole.substr(0, kMaxShown - 3) + "..." : whole;
}

}  // namespace vernier
