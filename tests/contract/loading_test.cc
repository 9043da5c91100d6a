// SPDX-License-Identifier: Apache-2.0
//
// How each release finds, opens, calls and closes the plugin.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

#include "tests/contract/tuner_test.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::contract {
namespace {

class Loading : public EveryRelease {};
INSTANTIATE_TEST_SUITE_P(Releases, Loading, ::testing::ValuesIn(kEveryRelease), release_name);

using Images = TunerTest;

// Of this thread, so that a busy machine does not count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The newest tuner ABI of the release that we export. 2.32.6 asks for v7 first.
int wanted_abi(int release) {
  if (release >= 23000) return 6;
  if (release >= 22800) return 5;
  if (release >= 22400) return 4;
  return release >= 22200 ? 3 : 2;
}

TEST_P(Loading, TheBareNameLoadsTheNewestSymbolTheReleaseKnows) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm comm = create(6, 3);
  ASSERT_TRUE(comm);
  EXPECT_EQ(comm.facts().abi, wanted_abi(GetParam()));
  // Ranks and nodes arrive whichever order the ABI has them in: v5 moved the context to the front.
  ASSERT_EQ(infos().size(), 1u);
  EXPECT_NE(infos()[0].find("ranks 6, nodes 3,"), std::string::npos) << infos()[0];
  EXPECT_NE(infos()[0].find("NCCL " + format_nccl_version(GetParam()) + ","), std::string::npos);
}

TEST_P(Loading, TheFileNameLoads) {
  set_env("NCCL_TUNER_PLUGIN", "libnccl-tuner-vernier.so");
  EXPECT_EQ(create().facts().abi, wanted_abi(GetParam()));
}

// 2.27.3 opens a path under no circumstances. The communicator is created without a tuner then.
TEST_P(Loading, APathLoadsExceptIn2273) {
  set_env("NCCL_TUNER_PLUGIN", tuner_dir() + "/libnccl-tuner-vernier.so");
  const Comm comm = create();
  ASSERT_TRUE(comm);
  EXPECT_EQ(comm.facts().abi, GetParam() == 22703 ? 0 : wanted_abi(GetParam()));
}

TEST_P(Loading, NothingLoadsWithoutTheVariable) {
  unsetenv("NCCL_TUNER_PLUGIN");
  const Comm comm = create();
  ASSERT_TRUE(comm);
  EXPECT_EQ(comm.facts().abi, 0);
  set_env("NCCL_TUNER_PLUGIN", "None");  // a name like any other before 2.28
  EXPECT_EQ(create().facts().abi, 0);
  EXPECT_TRUE(infos().empty());
}

TEST_P(Loading, OneInfoLinePerCommunicator) {
  set_inline_policy(policy_text({RuleText{}}));
  for (std::size_t made = 1; made <= 5; ++made) {
    const Comm comm = create();
    EXPECT_EQ(infos().size(), GetParam() == 22105 ? 1u : made);  // 2.21 does not load again
  }
  for (const LogLine& line : nccl().log()) {
    EXPECT_FALSE(line.truncated);
    if (line.level != NCCL_LOG_INFO) continue;
    EXPECT_NE(line.flags & NCCL_INIT, 0u);  // among NCCL's default subsystems
  }
}

// NCCL builds its cost model of the communicator from the constants right after init.
TEST_P(Loading, ConstantsAndDomainsStayAsTheyAre) {
  set_inline_policy(policy_text({RuleText{}}));
  for (const auto& [ranks, nodes] : {std::pair(1, 1), std::pair(8, 1), std::pair(16, 4)}) {
    const Comm comm = create(ranks, nodes);
    EXPECT_EQ(comm.facts().constants_written, 0);
    EXPECT_EQ(comm.facts().init_result, ncclSuccess);
  }
}

// NCCL 2.30.3+ divides by what a getChunkSize returns; ours is NULL.
TEST_P(Loading, ChunkSizesAreNcclsOwn) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm comm = create();
  EXPECT_EQ(comm.facts().has_chunk_size, 0);
  EXPECT_EQ(ask(comm, call_of(ncclFuncAllReduce, 1 << 20)).chunk_calls, 0);
}

// With one communicator at a time, NCCL closes the plugin and opens it again each time (2.22+).
TEST_P(Loading, ClosingAndOpeningAgainChangesNothing) {
  set_inline_policy(policy_text({RuleText{}}));
  set_env("NCCL_VERNIER_POLCY", "a misspelling, warned about once");
  const bool reloads = GetParam() != 22105;
  for (int round = 1; round <= 50; ++round) {
    const Comm comm = create();
    const NcclLikeOutcome outcome = ask(comm, call_of(ncclFuncAllReduce, 4096));
    if (reloads) {
      EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE);
    }
    EXPECT_EQ(nccl().loads().opens, reloads ? round : 1);
    const auto misspelt = [](const std::string& text) {
      return text.find("NCCL_VERNIER_POLCY") != std::string::npos;
    };
    const std::vector<std::string> given = warnings();
    EXPECT_EQ(std::count_if(given.begin(), given.end(), misspelt), 1);
  }
  EXPECT_EQ(nccl().loads().closes, reloads ? 50 : 1);
}

// Only the communicator that opened the library counts down.
TEST_P(Loading, CommunicatorsShareTheLibrary) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm one = create();
  {
    const Comm other = create(8, 2);
    EXPECT_EQ(other.facts().abi, wanted_abi(GetParam()));
  }
  const NcclLikeOutcome outcome = ask(one, call_of(ncclFuncAllReduce, 4096));
  EXPECT_EQ(outcome.tuner_calls, GetParam() == 22105 ? 2 : 1);
  EXPECT_EQ(nccl().loads().opens, 1);
}

TEST_P(Loading, OneRankIsNeverAskedAndHarmless) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm comm = create(1, 1);
  ASSERT_TRUE(comm);
  EXPECT_EQ(ask(comm, call_of(ncclFuncAllReduce, 4096)).tuner_calls, 0);
  EXPECT_EQ(reason(), "one-rank");
}

TEST_P(Loading, ManyThreadsCreateAndAskAtOnce) {
  set_inline_policy(policy_text({RuleText{}}));
  constexpr int kThreads = 8;
  constexpr int kRounds = 20;
  const bool asks = GetParam() != 22105;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        const Comm comm = create(2 + 2 * (t % 3), 1);
        const NcclLikeOutcome outcome = ask(comm, call_of(ncclFuncAllReduce, 4096));
        if (asks && outcome.algorithm != NCCL_ALGO_TREE) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// All ranks of a communicator are created at once, as in a grouped or threaded start.
TEST_P(Loading, RanksOfOneCommunicatorMayStartTogether) {
  set_inline_policy(policy_text({RuleText{}}));
  const std::vector<Comm> ranks = nccl().create_all(shape_of(8, 2));
  ASSERT_EQ(ranks.size(), 8u);
  const std::vector<std::string> lines = infos();
  EXPECT_EQ(lines.size(), 8u);
  for (const std::string& line : lines) EXPECT_EQ(line, lines[0]);
}

// 2.21 has no cost table in which a choice could be checked.
TEST_F(Images, Nccl221LoadsUsAndKeepsItsOwnChoice) {
  nccl().use_release(22105);
  RuleText rule;
  rule.channels = "4";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  ASSERT_EQ(comm.facts().abi, 2);
  EXPECT_EQ(reason(), "old-nccl");
  const Comm other = create();
  EXPECT_EQ(warnings().size(), 1u);
  for (std::size_t nbytes = 2; nbytes <= 1u << 24; nbytes *= 2) {
    const NcclLikeOutcome outcome = ask(comm, call_of(ncclFuncAllReduce, nbytes));
    EXPECT_EQ(outcome.tuner_calls, 2);
    EXPECT_EQ(outcome.tuner_algorithm, -1);
    EXPECT_EQ(outcome.tuner_protocol, -1);
    EXPECT_EQ(outcome.tuner_channels, 0);
    EXPECT_EQ(outcome.algorithm, outcome.default_algorithm);
    EXPECT_EQ(outcome.protocol, outcome.default_protocol);
  }
}

// Two libnccl in one process, of different releases: PyTorch's own and one in LD_PRELOAD.
TEST_F(Images, EachImageIsJudgedByItsOwnVersion) {
  const Nccl& other = Nccl::second();
  nccl().use_release(22809);
  other.use_release(23007);
  other.use_library_dir(tuner_dir());
  set_inline_policy(policy_text({RuleText{}}, "[match]\nnccl = \">=2.28,<2.29\"\n"));
  for (int round = 0; round < 2; ++round) {
    const Comm here = create();
    const Comm there = other.create(shape_of(4, 1));
    EXPECT_EQ(here.facts().abi, 5);
    EXPECT_EQ(there.facts().abi, 6);
    EXPECT_EQ(reason(nccl()), "active");
    EXPECT_EQ(reason(other), "wrong-nccl");
    const NcclLikeCall call = call_of(ncclFuncAllReduce, 4096);
    EXPECT_EQ(ask(here, call).algorithm, NCCL_ALGO_TREE);
    expect_untouched(ask(there, call));
  }
}

TEST_F(Images, EachImageIsToldInItsOwnLog) {
  const Nccl& other = Nccl::second();
  nccl().use_release(22809);
  other.use_release(22809);
  other.use_library_dir(tuner_dir());
  set_inline_policy(policy_text({RuleText{}}));
  const Comm here = create();
  EXPECT_EQ(infos(nccl()).size(), 1u);
  EXPECT_EQ(infos(other).size(), 0u);
  const Comm there = other.create(shape_of(4, 1));
  EXPECT_EQ(infos(nccl()).size(), 1u);
  EXPECT_EQ(infos(other).size(), 1u);
}

// A server makes dozens of communicators: the largest policy allowed is parsed for the first alone.
TEST_F(Images, APolicyIsParsedOncePerProcessAndContent) {
  nccl().use_release(22809);
  std::vector<RuleText> rules(4000);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    rules[i].min_bytes = std::to_string(2 * i);
    rules[i].max_bytes = std::to_string(2 * i + 1);
  }
  const std::string text = policy_text(rules);
  set_policy_file(text);  // larger than an inline policy may be; read, but not parsed, each time
  const auto creation_seconds = [] {
    const double start = cpu_seconds();
    const Comm comm = create();
    return cpu_seconds() - start;
  };
  const double first = creation_seconds();
  ASSERT_NE(reason(), "bad-policy");
  double later = creation_seconds();
  for (int i = 0; i < 9; ++i) later = std::min(later, creation_seconds());
  // Parsing takes more than 10 times as long as everything else together, in every build.
  EXPECT_GT(first / 5, later);

  set_policy_file(policy_text({RuleText{}}));  // other content under the same name
  const Comm comm = create();
  EXPECT_NE(infos().back().find(" of 1,"), std::string::npos) << infos().back();
}

}  // namespace
}  // namespace vernier::contract
