// SPDX-License-Identifier: Apache-2.0
//
// What the tuner leaves in NCCL_VERNIER_LOG_DIR, for readers of profiles.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/contract/policy_text.hpp"
#include "tests/contract/tuner_test.hpp"
#include "tools/profile/profile.hpp"
#include "vernier/policy.hpp"

namespace vernier::contract {
namespace {

class DecisionLog : public TunerTest {
 protected:
  void SetUp() override {
    TunerTest::SetUp();
    std::string name = "/tmp/vernier-decisions.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    set_env("NCCL_VERNIER_LOG_DIR", directory_);
  }
  void TearDown() override {
    std::filesystem::remove_all(directory_);
    TunerTest::TearDown();
  }

  // The file that begins with `name`, whole.
  [[nodiscard]] std::string read(const std::string& name) const {
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (!entry.path().filename().string().starts_with(name)) continue;
      std::ifstream file(entry.path());
      return {std::istreambuf_iterator<char>(file), {}};
    }
    return {};
  }

  [[nodiscard]] std::vector<profile::TunerDecision> decisions() const {
    std::vector<std::string> problems;
    auto read_back = profile::read_tuner_decisions("tuner", read("tuner-"), problems);
    EXPECT_TRUE(problems.empty()) << problems.front();
    return read_back;
  }

  std::string directory_;
};

TEST_F(DecisionLog, ALineForEachCommunicatorSaysWhatWasDecided) {
  nccl().use_release(22809);
  set_inline_policy(policy_text({{}}));
  const Comm active = create(4, 1);
  set_env("NCCL_VERNIER_MODE", "off");
  const Comm off = create(2, 1);
  const auto found = decisions();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].ranks, 4);
  EXPECT_EQ(found[0].nodes, 1);
  EXPECT_EQ(found[0].reason, "active");
  EXPECT_EQ(found[0].comm_id.size(), 16u);
  EXPECT_EQ(found[0].digest.substr(0, 7), "sha256:");
  EXPECT_EQ(found[1].ranks, 2);
  EXPECT_EQ(found[1].reason, "mode");
  EXPECT_EQ(found[1].mode, "off");
}

TEST_F(DecisionLog, ThePolicyLiesBesideIt) {
  nccl().use_release(22809);
  set_inline_policy(policy_text({{}}));
  const Comm comm = create(4, 1);
  const std::string digest_text = decisions().at(0).digest;
  const ParsedPolicy kept = parse_policy(read("policy-" + digest_text.substr(7)));
  ASSERT_TRUE(kept.policy.has_value());
  EXPECT_EQ(digest(*kept.policy), digest_text);
}

TEST_F(DecisionLog, ADirectoryThatCannotBeWrittenIsOneWarning) {
  nccl().use_release(22809);
  set_env("NCCL_VERNIER_LOG_DIR", "/proc/self");
  set_inline_policy(policy_text({{}}));
  const Comm first = create(4, 1);
  const Comm second = create(4, 1);
  EXPECT_EQ(reason(), "active");
  EXPECT_EQ(warnings().size(), 1u);
}

}  // namespace
}  // namespace vernier::contract
