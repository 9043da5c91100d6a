// SPDX-License-Identifier: Apache-2.0
#include "tools/common/json_input.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tools/common/json_members.hpp"

namespace vernier {
namespace {

constexpr int kMaxNesting = 16;
// The parser looks through a list after each object in it.
constexpr std::size_t kMaxObjects = 20'000;

using Event = Json::parse_event_t;

template <typename Look>
Json parse(std::string_view text, const Look& look) {
  try {
    return Json::parse(text, look);
  } catch (const Json::parse_error& error) {
    throw Malformed(fmt::format("not JSON: byte {}", error.byte));
  } catch (const Json::exception&) {
    throw Malformed("not JSON: a number is out of range");
  }
}

}  // namespace

Json parse_json_bounded(std::string_view text, const JsonBounds& bounds) {
  std::size_t parts = 0;
  std::vector<std::set<std::string>> keys;  // of each object that is open
  return parse(text, [&](int depth, Event event, Json& parsed) {
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= bounds.nesting) throw Malformed("nested too deeply");
    if ((event == Event::object_start || event == Event::key) && ++parts > bounds.parts) {
      throw Malformed(fmt::format("more than {} objects and keys", bounds.parts));
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw Malformed(fmt::format("key {} is there twice", shown(parsed)));
    }
    return true;
  });
}

Json parse_keys(std::string_view text, const std::set<std::string_view>& keys) {
  std::size_t objects = 0;
  return parse(text, [&](int depth, Event event, Json& parsed) {
    if (depth > kMaxNesting) throw Malformed("nested too deeply");
    if (event == Event::object_start && ++objects > kMaxObjects) {
      throw Malformed(fmt::format("more than {} objects", kMaxObjects));
    }
    return event != Event::key || keys.contains(parsed.get_ref<std::string&>());
  });
}

}  // namespace vernier
