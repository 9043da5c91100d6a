// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/task_facts.hpp"

#include <gtest/gtest.h>

namespace vernier::calibrate {
namespace {

TEST(TaskFacts, NameWhatDiffersAndWho) {
  const auto all = differences({{0, {{"NCCL", "2.28.9"}, {"GPU", "H200"}}},
                                {1, {{"NCCL", "2.28.3"}, {"GPU", "H200"}}},
                                {2, {{"NCCL", "2.28.9"}, {"GPU", "H200"}, {"NCCL_FOO", "1"}}},
                                {3, {{"NCCL", "2.28.3"}, {"GPU", "H200"}}}});
  EXPECT_EQ(differences_text(all),
            "what      ranks  value\n"
            "NCCL      0,2    2.28.9\n"
            "          1,3    2.28.3\n"
            "NCCL_FOO  0-1,3  (not set)\n"
            "          2      1");
  EXPECT_EQ(to_json(all), Json::parse(R"json([
    {"what": "NCCL", "values": [{"value": "2.28.9", "ranks": [0, 2]},
                                {"value": "2.28.3", "ranks": [1, 3]}]},
    {"what": "NCCL_FOO", "values": [{"value": "(not set)", "ranks": [0, 1, 3]},
                                    {"value": "1", "ranks": [2]}]}])json"));
}

TEST(TaskFacts, AreSilentWhereAllRanksAgree) {
  EXPECT_TRUE(differences({{0, {{"NCCL", "2.28.9"}}}, {1, {{"NCCL", "2.28.9"}}}}).empty());
}

TEST(TaskFacts, AreSafeForATerminal) {
  const auto all = differences({{0, {{"NCCL_X", "\x1b[31m"}}}, {1, Json::object()}});
  EXPECT_EQ(differences_text(all).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace vernier::calibrate
