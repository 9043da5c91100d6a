// SPDX-License-Identifier: Apache-2.0
#include "tools/common/json_members.hpp"

#include <fmt/format.h>

namespace vernier {
namespace {

constexpr int kMaxNesting = 16;
// The parser looks through a list after each object in it.
constexpr std::size_t kMaxObjects = 20'000;
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

Json parse_keys(std::string_view text, const std::set<std::string_view>& keys) {
  std::size_t objects = 0;
  const auto keep = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxNesting) throw Malformed("nested too deeply");
    if (event == Json::parse_event_t::object_start && ++objects > kMaxObjects) {
      throw Malformed(fmt::format("more than {} objects", kMaxObjects));
    }
    return event != Json::parse_event_t::key || keys.contains(parsed.get_ref<std::string&>());
  };
  try {
    return Json::parse(text, keep);
  } catch (const Json::parse_error& error) {
    throw Malformed(fmt::format("not JSON: byte {}", error.byte));
  } catch (const Json::exception&) {  // a number that no type holds
    throw Malformed("not JSON: a number is out of range");
  }
}

std::string shown(const Json& value) {
  const std::string whole = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return whole.size() > kMaxShown ? whole.substr(0, kMaxShown - 3) + "..." : whole;
}

}  // namespace vernier
