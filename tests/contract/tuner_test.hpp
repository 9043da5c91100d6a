// SPDX-License-Identifier: Apache-2.0
//
// Fixtures of the tuner's contract tests: a clean environment, the NCCL-like host, and the real
// libnccl-tuner-vernier.so, which is loaded as a file and never linked.
//
// The plugin keeps some state once per process (warnings given, policies parsed). Every test
// therefore runs in a process of its own, as ctest arranges (gtest_discover_tests); a second test
// in one process fails and says so.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "tests/contract/nccl.hpp"
#include "tests/contract/policy_text.hpp"
#include "tests/contract/releases.hpp"

namespace vernier::contract {

// For ctest: 2_28_9.
[[nodiscard]] std::string release_name(const ::testing::TestParamInfo<int>& info);

// The folder of the plugin under test: VERNIER_TUNER_DIR, or the one of this build.
[[nodiscard]] std::string tuner_dir();

// A cost table as a test brings it: every cell -1 until set.
class Costs {
 public:
  explicit Costs(int algorithms, int protocols = 3)
      : algorithms_(algorithms),
        protocols_(protocols),
        cells_(static_cast<std::size_t>(algorithms) * static_cast<std::size_t>(protocols), -1.0f) {}

  float& operator()(int algorithm, int protocol) {
    return cells_[static_cast<std::size_t>(algorithm * protocols_ + protocol)];
  }
  [[nodiscard]] int cell(int algorithm, int protocol) const {
    return algorithm * protocols_ + protocol;
  }

  // `call` with this table; valid as long as this object.
  [[nodiscard]] NcclLikeCall in(NcclLikeCall call) const {
    call.model = cells_.data();
    call.algorithms = algorithms_;
    call.protocols = protocols_;
    return call;
  }

 private:
  int algorithms_;
  int protocols_;
  std::vector<float> cells_;
};

class TunerTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] static Nccl& nccl() { return Nccl::first(); }
  static void set_env(const char* name, const std::string& value);
  static void set_inline_policy(std::string_view text);
  // NCCL_VERNIER_POLICY as the path of a file, which lives as long as the test.
  void set_policy_file(std::string_view text);

  [[nodiscard]] static Comm create(int ranks = 4, int nodes = 1) {
    return nccl().create(shape_of(ranks, nodes));
  }
  // Fails the test when NCCL would have failed, hung or been corrupted.
  static NcclLikeOutcome ask(const Comm& comm, const NcclLikeCall& call);

  // The plugin's lines of one level, without its prefix.
  [[nodiscard]] static std::vector<std::string> infos(const Nccl& image = nccl());
  [[nodiscard]] static std::vector<std::string> warnings(const Nccl& image = nccl());
  // "reason CODE" and "rules active N" of the latest INFO line; "" and -1 where there is none.
  [[nodiscard]] static std::string reason(const Nccl& image = nccl());
  [[nodiscard]] static int rules_active(const Nccl& image = nccl());

 private:
  std::string policy_file_;
};

class EveryRelease : public TunerTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    TunerTest::SetUp();
    nccl().use_release(GetParam());
  }
};

// Releases with a cost table.
class TableRelease : public EveryRelease {
 protected:
  // 2.22 has no PAT.
  [[nodiscard]] static int algorithms() { return GetParam() < 22300 ? 6 : 7; }

  // Tree and ring usable with every protocol, ring/ll the cheapest: what small messages look like.
  [[nodiscard]] static Costs small_costs();
};

// Nothing that the tuner was handed has changed, not even a bit of it.
void expect_untouched(const NcclLikeOutcome& outcome);

// Exactly `cell` changed, to `cost`.
void expect_only_change(const NcclLikeOutcome& outcome, int cell, float cost);

[[nodiscard]] inline float just_below(float cost) { return std::nextafterf(cost, 0.0f); }

}  // namespace vernier::contract
