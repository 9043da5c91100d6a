// SPDX-License-Identifier: Apache-2.0
//
// When rules apply to a communicator, and the reason in its INFO line when they do not. Reasons are
// compared by their code (vernier/reason.hpp), never by sentence.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/contract/tuner_test.hpp"
#include "vernier/policy.hpp"

namespace vernier::contract {
namespace {

class ActivationIn : public TableRelease {};
INSTANTIATE_TEST_SUITE_P(Releases, ActivationIn, ::testing::ValuesIn(kTableReleases), release_name);

class Activation : public TunerTest {
 protected:
  void SetUp() override {
    TunerTest::SetUp();
    nccl().use_release(22809);
  }

  // A communicator whose rules apply, by the log and by what runs.
  static void expect_active(int ranks = 4, int nodes = 1) {
    const Comm comm = create(ranks, nodes);
    EXPECT_EQ(reason(), "active");
    const NcclLikeOutcome outcome = ask(comm, call_of(ncclFuncAllReduce, 4096));
    EXPECT_NE(outcome.default_algorithm, NCCL_ALGO_TREE);  // or it would prove nothing
    EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE);
  }

  // One whose rules do not, and that leaves NCCL alone.
  static void expect_inert(const char* code, const Nccl& image = nccl()) {
    const Comm comm = image.create(shape_of(4, 1));
    ASSERT_TRUE(comm);
    EXPECT_EQ(reason(image), code);
    EXPECT_EQ(rules_active(image), 0);
    for (const ncclFunc_t func : {ncclFuncAllReduce, ncclFuncAllGather}) {
      const NcclLikeOutcome outcome = ask(comm, call_of(func, 4096));
      EXPECT_EQ(outcome.tuner_calls, 1);
      expect_untouched(outcome);
    }
  }
};

const std::string kTree = policy_text({RuleText{}});

TEST_P(ActivationIn, AnInlinePolicyIsActiveOnOneNodeAndOnMany) {
  set_inline_policy(kTree);
  for (const auto& [ranks, nodes] :
       {std::pair(2, 1), std::pair(8, 1), std::pair(8, 2), std::pair(64, 8), std::pair(64, 64)}) {
    const Comm comm = create(ranks, nodes);
    EXPECT_EQ(reason(), "active");
    EXPECT_EQ(rules_active(), 1);
    EXPECT_EQ(ask(comm, call_of(ncclFuncAllReduce, 4096)).algorithm, NCCL_ALGO_TREE);
  }
  EXPECT_TRUE(warnings().empty());
}

TEST_P(ActivationIn, TheReleaseIsHeldAgainstMatchNccl) {
  const int minor = GetParam() / 100 % 100;
  const auto range = [](int low, int high) {
    return "[match]\nnccl = \">=2." + std::to_string(low) + ",<2." + std::to_string(high) + "\"\n";
  };
  const auto reason_for = [](const std::string& head) {
    set_inline_policy(policy_text({RuleText{}}, head));
    const Comm comm = create();
    const NcclLikeOutcome outcome = ask(comm, call_of(ncclFuncAllReduce, 4096));
    EXPECT_EQ(outcome.algorithm == NCCL_ALGO_TREE, reason() == "active");
    return reason();
  };
  EXPECT_EQ(reason_for(range(minor, minor + 1)), "active");
  EXPECT_EQ(reason_for(range(minor - 1, minor)), "wrong-nccl");
  EXPECT_EQ(reason_for(range(minor + 1, minor + 2)), "wrong-nccl");
}

TEST_F(Activation, TheInfoLineNamesPolicyDigestRulesAndMode) {
  RuleText here;
  here.max_bytes = "4096";
  RuleText elsewhere;
  elsewhere.ranks = "5";
  elsewhere.min_bytes = "8192";
  const std::string text = policy_text({here, elsewhere});
  set_inline_policy(text);
  const Comm comm = create();
  ASSERT_EQ(infos().size(), 1u);
  const std::string line = infos()[0];
  const auto has = [&line](std::string_view part) { return line.find(part) != std::string::npos; };
  EXPECT_TRUE(has("\"contract\"")) << line;
  EXPECT_TRUE(has(digest(*parse_policy(text).policy))) << line;
  EXPECT_TRUE(has("sha256:")) << line;
  EXPECT_TRUE(has("rules active 1 of 2")) << line;
  EXPECT_TRUE(has("mode ")) << line;
  EXPECT_TRUE(has("apply")) << line;
  EXPECT_TRUE(has("reason active")) << line;
}

TEST_F(Activation, WithoutAPolicyNothingHappens) {
  expect_inert("no-policy");
  set_env("NCCL_VERNIER_POLICY", "");
  expect_inert("no-policy");
  EXPECT_TRUE(warnings().empty());
}

TEST_F(Activation, NoRuleForThisShapeIsInert) {
  RuleText rule;
  rule.ranks = "8";
  set_inline_policy(policy_text({rule}));
  expect_inert("no-rules");
  set_inline_policy(policy_text({}));
  expect_inert("no-rules");
}

// A file can differ between ranks, and ranks that differ hang: those of a node compare. More of
// that is in tests/agreement.
TEST_F(Activation, APolicyFileIsActiveWhereAllRanksOfANodeAgree) {
  set_policy_file(kTree);
  set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", "60000");
  for (const int ranks : {2, 8, 64}) {
    const std::vector<Comm> comms = nccl().create_all(shape_of(ranks, 1));
    ASSERT_EQ(comms.size(), static_cast<std::size_t>(ranks));
    for (const Comm& comm : comms) {
      EXPECT_EQ(ask(comm, call_of(ncclFuncAllReduce, 4096)).algorithm, NCCL_ALGO_TREE);
    }
  }
  EXPECT_TRUE(warnings().empty());
}

TEST_F(Activation, TwoHundredCommunicatorsAtOnceAgree) {
  set_policy_file(kTree);
  set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", "60000");
  std::vector<std::thread> threads;
  std::atomic<int> active{0};
  for (int i = 0; i < 200; ++i) {
    threads.emplace_back([&active] {
      for (const Comm& comm : nccl().create_all(shape_of(2, 1))) {
        active += comm.ask(call_of(ncclFuncAllReduce, 4096)).algorithm == NCCL_ALGO_TREE ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(active, 400);
}

TEST_F(Activation, APolicyFileOnlyObservesWhereRanksDoNotCome) {
  set_policy_file(kTree);
  expect_inert("no-agreement");
  EXPECT_EQ(warnings().size(), 1u);
}

TEST_F(Activation, APolicyFileOnlyObservesWhereRanksCannotMeet) {
  set_policy_file(kTree);
  set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", "60000");
  const auto reason_of = [](int ranks, int nodes) {
    const std::vector<Comm> comms = nccl().create_all(shape_of(ranks, nodes));
    EXPECT_EQ(comms.size(), static_cast<std::size_t>(ranks));
    return reason();
  };
  EXPECT_EQ(reason_of(8, 2), "no-agreement");
  set_env("NCCL_COMM_ID", "127.0.0.1:29999");
  EXPECT_EQ(reason_of(4, 1), "no-agreement");
  unsetenv("NCCL_COMM_ID");
  EXPECT_EQ(reason_of(4, 1), "active");
  nccl().use_release(22705);  // tuner v4
  EXPECT_EQ(reason_of(4, 1), "no-agreement");
}

// With a meeting the guard can be obeyed: all ranks learn of it.
TEST_F(Activation, APolicyFileForAnotherGpuIsInert) {
  set_policy_file(policy_text({RuleText{}}, "[match]\ngpu = \"NVIDIA H200\"\n"));
  set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", "60000");
  EXPECT_EQ(nccl().create_all(shape_of(4, 1)).size(), 4u);
  EXPECT_EQ(reason(), "wrong-gpu");
}

TEST_F(Activation, ATimeoutThatIsNoneIsWarnedAbout) {
  set_policy_file(kTree);
  for (const char* const text : {"0", "-1", "10s", "600001", "99999999999"}) {
    set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", text);
    EXPECT_EQ(nccl().create_all(shape_of(4, 1)).size(), 4u);
    EXPECT_EQ(reason(), "active") << text;
  }
  EXPECT_EQ(warnings().size(), 1u);
}

TEST_F(Activation, TheLargestInlinePolicyIsActive) {
  std::string text = kTree;
  const std::size_t largest = kMaxInlineBytes / 4 * 3;  // base64 takes four bytes for three
  while (text.size() < largest) text += "# a comment of 40 bytes, newline included\n";
  text.resize(largest);
  set_inline_policy(text);
  ASSERT_EQ(inline_value(text).size(), kInlinePrefix.size() + kMaxInlineBytes);
  expect_active();
  set_inline_policy(text + "x");
  expect_inert("bad-policy");
}

TEST_F(Activation, EveryEnvironmentVariableMustBeSetAsStated) {
  set_inline_policy(policy_text(
      {RuleText{}}, "[environment]\nNCCL_CONTRACT_A = \"1\"\nNCCL_CONTRACT_B = \"two words\"\n"));
  expect_inert("environment");
  set_env("NCCL_CONTRACT_A", "1");
  expect_inert("environment");
  set_env("NCCL_CONTRACT_B", "two");
  expect_inert("environment");
  set_env("NCCL_CONTRACT_B", "two words");
  expect_active();
  set_env("NCCL_CONTRACT_A", "");
  expect_inert("environment");
  set_env("NCCL_CONTRACT_A", "1 ");
  expect_inert("environment");
}

// vLLM promises bitwise equal results for any batch then.
TEST_F(Activation, BatchInvarianceIsRespected) {
  set_inline_policy(kTree);
  set_env("VLLM_BATCH_INVARIANT", "1");
  expect_inert("batch-invariant");
  set_env("VLLM_BATCH_INVARIANT", "0");
  expect_active();
  unsetenv("VLLM_BATCH_INVARIANT");
  expect_active();
}

TEST_F(Activation, ModeOffIsInertAndQuiet) {
  set_inline_policy(kTree);
  set_env("NCCL_VERNIER_MODE", "off");
  expect_inert("mode");
  EXPECT_TRUE(warnings().empty());
}

TEST_F(Activation, ModeObserveChangesNothing) {
  set_inline_policy(kTree);
  set_env("NCCL_VERNIER_MODE", "observe");
  expect_inert("mode");
  EXPECT_TRUE(warnings().empty());
}

// Observing tells once per rule, not per call.
TEST_F(Activation, ModeObserveLogsEachRuleOnce) {
  RuleText large;
  large.min_bytes = "1048576";
  RuleText small;
  small.max_bytes = "1048575";
  set_inline_policy(policy_text({small, large}));
  set_env("NCCL_VERNIER_MODE", "observe");
  const Comm comm = create();
  const std::size_t lines = nccl().log().size();
  for (int round = 0; round < 3; ++round) {
    for (std::size_t nbytes = 2; nbytes <= 4u << 20; nbytes *= 2) {
      expect_untouched(ask(comm, call_of(ncclFuncAllReduce, nbytes)));
      expect_untouched(ask(comm, call_of(ncclFuncAllGather, nbytes)));
    }
  }
  EXPECT_EQ(nccl().log().size(), lines + 2);
}

TEST_F(Activation, ModeApplyIsTheDefault) {
  set_inline_policy(kTree);
  expect_active();
  set_env("NCCL_VERNIER_MODE", "apply");
  expect_active();
}

TEST_F(Activation, AnUnknownModeIsInertAndWarns) {
  set_inline_policy(kTree);
  for (const char* const mode : {"aply", "OFF", "apply ", "observe,off"}) {
    SCOPED_TRACE(mode);
    set_env("NCCL_VERNIER_MODE", mode);
    expect_inert("mode");
  }
  EXPECT_EQ(warnings().size(), 1u);
}

// Found among what the image depends on, the version would be another library's.
TEST_F(Activation, AVersionOfAnotherLibraryDoesNotCount) {
  const Nccl& versionless = Nccl::without_version();
  versionless.use_library_dir(tuner_dir());
  versionless.use_release(22809);
  set_inline_policy(policy_text({RuleText{}}, "[match]\nnccl = \">=2.28,<2.29\"\n"));
  expect_active();  // the image that it depends on
  expect_inert("unknown-nccl", versionless);
}

// Nothing a policy can be makes NCCL fail or hang; every row is refused as a whole.
TEST_F(Activation, GarbageIsNeverFatal) {
  const std::string deep(100000, '[');
  std::string many = "schema = 1\nname = \"many\"\n";
  for (int i = 0; i < 4001; ++i) {
    many += "[[rule]]\ncollective=\"allreduce\"\nmin_bytes=" + std::to_string(i) +
            "\nmax_bytes=" + std::to_string(i) + "\nalgorithm=\"tree\"\nprotocol=\"ll\"\n";
  }
  RuleText impossible;
  impossible.collective = "allgather";
  RuleText empty_range;
  empty_range.min_bytes = "2";
  empty_range.max_bytes = "1";
  const std::string rows[] = {
      "",
      "schema",
      "schema = 2\nname = \"x\"\n",
      std::string("\0\0\0", 3),
      "\xff\xfe\xfd",
      "%s%n%d",
      "name = \"" + std::string(70000, 'x'),
      "x = " + deep,
      kTree + kTree,
      kTree + "unknown = 1\n",
      policy_text({RuleText{}, RuleText{}}),  // overlap
      policy_text({impossible}),
      policy_text({empty_range}),
  };
  for (const std::string& row : rows) {
    SCOPED_TRACE(row.substr(0, 40));
    set_inline_policy(row);
    expect_inert("bad-policy");
  }
  for (const std::string& row : {std::string(2u << 20, '#'), many, deep}) {
    set_policy_file(row);
    expect_inert("bad-policy");
  }
  for (const std::string value :
       {"inline:", "inline:!!!!", "inline:c2No===", "inline:%s", "INLINE:c2NoZW1hID0gMQ==", "/",
        "/dev/zero", "/no/such/file", "\n"}) {
    SCOPED_TRACE(value);
    set_env("NCCL_VERNIER_POLICY", value);
    expect_inert("bad-policy");
  }
  EXPECT_EQ(warnings().size(), 1u);
}

TEST_F(Activation, APipeInPlaceOfThePolicyDoesNotHangCreation) {
  set_policy_file("");
  const std::string path = std::getenv("NCCL_VERNIER_POLICY");
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_inert("bad-policy");
}

// One bad rule does not take effect in part, and a correction takes effect.
TEST_F(Activation, ACorrectedPolicyIsActive) {
  RuleText bad;
  bad.channels = "0";
  bad.min_bytes = bad.max_bytes = "1";
  RuleText good;
  good.min_bytes = "2";
  set_inline_policy(policy_text({good, bad}));
  expect_inert("bad-policy");
  set_inline_policy(policy_text({good}));
  expect_active();
}

}  // namespace
}  // namespace vernier::contract
