// SPDX-License-Identifier: Apache-2.0
#include "tools/common/json_input.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tools/common/json_members.hpp"

namespace vernier {
namespace {

// The document as it was understood, or why not.
std::string parsed(const std::string& text, const JsonBounds& bounds = {4, 100}) {
  try {
    return parse_json_bounded(text, bounds).dump();
  } catch (const Malformed& problem) {
    return problem.what();
  }
}

std::string nested(const std::string& open, const std::string& close, int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += open;
  for (int i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(BoundedJson, IsNestedNoDeeperThanAllowed) {
  EXPECT_EQ(parsed("[[[[1]]]]"), "[[[[1]]]]");
  EXPECT_EQ(parsed("[[[[[]]]]]"), "nested too deeply");
  EXPECT_EQ(parsed(R"({"a":{"a":{"a":[{}]}}})"), "nested too deeply");
  EXPECT_EQ(parsed("1", {0, 0}), "1");
  EXPECT_EQ(parsed(nested("[", "]", 500'000)), "nested too deeply");
  EXPECT_EQ(parsed(nested("[", "", 1'000'000)), "nested too deeply");
}

TEST(BoundedJson, HasNoMoreObjectsAndKeysThanAllowed) {
  EXPECT_EQ(parsed(R"([{"a":1},{"b":2}])", {4, 4}), R"([{"a":1},{"b":2}])");
  EXPECT_EQ(parsed(R"([{"a":1},{"b":2}])", {4, 3}), "more than 3 objects and keys");
  EXPECT_EQ(parsed("[{},{},{},{}]", {4, 3}), "more than 3 objects and keys");
}

TEST(BoundedJson, HasEachKeyOfAnObjectOnce) {
  EXPECT_EQ(parsed(R"({"a":{"a":1},"b":{"a":2}})"), R"({"a":{"a":1},"b":{"a":2}})");
  EXPECT_EQ(parsed(R"({"a":1,"b":{"c":3},"a":2})"), R"(key "a" is there twice)");
}

TEST(BoundedJson, SaysWhereItIsNone) {
  EXPECT_EQ(parsed(R"({"a":})"), "not JSON: byte 6");
  EXPECT_EQ(parsed("\"\xff\""), "not JSON: byte 2");
  EXPECT_EQ(parsed(""), "not JSON: byte 1");
  EXPECT_EQ(parsed("[] []"), "not JSON: byte 4");
  EXPECT_EQ(parsed("1e999"), "not JSON: a number is out of range");
}

}  // namespace
}  // namespace vernier
