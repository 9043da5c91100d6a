// SPDX-License-Identifier: Apache-2.0
//
// One WARN per cause and process, whatever the number of communicators and images.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "tests/contract/tuner_test.hpp"

namespace vernier::contract {
namespace {

class Warnings : public TunerTest {
 protected:
  void SetUp() override {
    TunerTest::SetUp();
    nccl().use_release(22809);
  }

  // Five communicators, one after the other, then eight at once.
  static void create_many() {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(create());
    EXPECT_EQ(nccl().create_all(shape_of(8, 1)).size(), 8u);
  }

  [[nodiscard]] static bool is_mentioned(std::string_view text) {
    const std::vector<std::string> given = warnings();
    return std::any_of(given.begin(), given.end(), [text](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }
};

const std::string kTree = policy_text({RuleText{}});

struct Cause {
  const char* name;
  const char* head;      // of the policy
  const char* variable;  // set to `value`
  const char* value;
  const char* mentioned;  // part of the warning
};

class EachCause : public Warnings, public ::testing::WithParamInterface<Cause> {};

TEST_P(EachCause, WarnsOncePerProcess) {
  const Cause& cause = GetParam();
  set_inline_policy(policy_text({RuleText{}}, cause.head));
  if (cause.variable != nullptr) set_env(cause.variable, cause.value);
  create_many();
  EXPECT_EQ(warnings().size(), 1u);
  EXPECT_TRUE(is_mentioned(cause.mentioned)) << (warnings().empty() ? "" : warnings()[0]);
  EXPECT_EQ(infos().size(), 13u);

  // A second NCCL in the same process is the same process.
  const Nccl& other = Nccl::second();
  other.use_release(22809);
  other.use_library_dir(tuner_dir());
  const Comm comm = other.create(shape_of(4, 1));
  EXPECT_EQ(infos(other).size(), 1u);
  EXPECT_TRUE(warnings(other).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Causes, EachCause,
    ::testing::Values(
        Cause{"BadPolicy", "nonsense = 1\n", nullptr, nullptr, "nonsense"},
        Cause{"WrongNccl", "[match]\nnccl = \"<2.28\"\n", nullptr, nullptr, "2.28.9"},
        Cause{"Environment", "[environment]\nNCCL_CONTRACT_A = \"1\"\n", nullptr, nullptr,
              "NCCL_CONTRACT_A"},
        Cause{"Mode", "", "NCCL_VERNIER_MODE", "obsrve", "obsrve"},
        Cause{"HiddenByAlgo", "", "NCCL_ALGO", "Ring", "1 of 1"},
        Cause{"HiddenByProto", "", "NCCL_PROTO", "^LL", "1 of 1"},
        Cause{"UnknownVariable", "", "NCCL_VERNIER_POLCY", "x", "NCCL_VERNIER_POLICY"},
        Cause{"Gpu", "[match]\ngpu = \"NVIDIA H200\"\n", nullptr, nullptr, "NVIDIA H200"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(Warnings, EachUnknownVariableIsNamedWithTheNearest) {
  set_env("NCCL_VERNIER_MOD", "off");
  set_env("NCCL_VERNIER_LOGDIR", "/tmp");
  set_env("NCCL_VERNIER_ZZZZZZZZZZZZ", "1");
  create_many();
  EXPECT_EQ(warnings().size(), 3u);
  EXPECT_TRUE(is_mentioned("NCCL_VERNIER_MODE"));
  EXPECT_TRUE(is_mentioned("NCCL_VERNIER_LOG_DIR"));
  EXPECT_TRUE(is_mentioned("NCCL_VERNIER_ZZZZZZZZZZZZ"));
}

TEST_F(Warnings, KnownVariablesAreNotUnknown) {
  set_inline_policy(kTree);
  set_env("NCCL_VERNIER_MODE", "apply");
  set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", "1000");
  set_env("NCCL_VERNIER_PROFILE", "counts");
  set_env("NCCL_VERNIER_LOG_DIR", "/tmp");
  set_env("NCCL_VERNIER_LOG_MAX_MB", "1");
  create_many();
  EXPECT_TRUE(warnings().empty());
}

// What NCCL disables arrives as -1, and the rule for it never takes.
struct Hidden {
  const char* name;
  const char* algo;
  const char* proto;
  const char* count;  // "" : no warning
};

class HidingVariables : public Warnings, public ::testing::WithParamInterface<Hidden> {};

TEST_P(HidingVariables, AreWarnedAboutWithTheCount) {
  RuleText tree;
  tree.max_bytes = "1024";
  RuleText ring;
  ring.min_bytes = "1025";
  ring.algorithm = "ring";
  ring.protocol = "simple";
  RuleText gather;
  gather.collective = "allgather";
  gather.algorithm = "nvls";
  gather.protocol = "simple";
  RuleText elsewhere;  // not counted: for another shape
  elsewhere.collective = "reduce";
  elsewhere.algorithm = "ring";
  elsewhere.ranks = "2";
  set_inline_policy(policy_text({tree, ring, gather, elsewhere}));
  const Hidden& row = GetParam();
  if (row.algo != nullptr) set_env("NCCL_ALGO", row.algo);
  if (row.proto != nullptr) set_env("NCCL_PROTO", row.proto);
  const Comm comm = create();
  ASSERT_TRUE(comm);
  EXPECT_EQ(reason(), "active");
  const std::string count = row.count;
  EXPECT_EQ(warnings().size(), count.empty() ? 0u : 1u);
  EXPECT_TRUE(count.empty() || is_mentioned(count + " of 3"));
  // The host reads the same text, as NCCL does: the plugin's count is what never takes.
  const auto takes = [&comm](ncclFunc_t func, std::size_t nbytes, int algorithm, int protocol) {
    const NcclLikeOutcome outcome = comm.ask(call_of(func, nbytes));
    return outcome.algorithm == algorithm && outcome.protocol == protocol;
  };
  const int hidden = !takes(ncclFuncAllReduce, 1024, NCCL_ALGO_TREE, NCCL_PROTO_LL) +
                     !takes(ncclFuncAllReduce, 8192, NCCL_ALGO_RING, NCCL_PROTO_SIMPLE) +
                     !takes(ncclFuncAllGather, 256, NCCL_ALGO_NVLS, NCCL_PROTO_SIMPLE);
  EXPECT_EQ(std::to_string(hidden), count.empty() ? "0" : count);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, HidingVariables,
    ::testing::Values(
        Hidden{"Ring", "Ring", nullptr, "2"}, Hidden{"Inverted", "^tree,NVLS", nullptr, "2"},
        Hidden{"PerFunction", "allreduce:tree", nullptr, "1"},
        Hidden{"AllThenOne", "ring;allgather:nvls", nullptr, "1"},
        Hidden{"InvertedPerFunction", "allgather:^nvls,pat", nullptr, "1"},
        Hidden{"Protocol", nullptr, "LL,LL128", "2"}, Hidden{"Both", "tree", "simple", "3"},
        Hidden{"Nothing", "tree,ring,nvls", "ll,simple", ""}, Hidden{"Empty", "", "", ""}),
    [](const auto& row) { return std::string(row.param.name); });

// Text from a policy is data to the logger.
TEST_F(Warnings, PercentSignsReachTheLogAsText) {
  set_inline_policy("schema = 1\nname = \"%s%n%100000d\"\n");
  const Comm comm = create();
  EXPECT_NE(infos().back().find("%s%n%100000d"), std::string::npos);
  set_inline_policy("schema = 1\nname = \"x\"\n\"%n%s\" = 1\n");
  const Comm other = create();
  EXPECT_TRUE(is_mentioned("%n%s"));
}

// NCCL cuts a line at 1,024 bytes: the code of the reason survives.
TEST_F(Warnings, TheReasonSurvivesTheLogsLineLength) {
  std::string head;
  for (int i = 0; i < 50; ++i) {
    head += std::string(200, static_cast<char>('a' + i % 26)) + std::to_string(i) + " = 1\n";
  }
  set_inline_policy(policy_text({RuleText{}}, head));
  const Comm comm = create();
  EXPECT_EQ(reason(), "bad-policy");
}

TEST_F(Warnings, NoModeHidesTheReason) {
  set_inline_policy(kTree);
  for (const std::string& mode : {std::string(2000, 'x'), std::string("two\nlines")}) {
    set_env("NCCL_VERNIER_MODE", mode);
    const Comm comm = create();
    EXPECT_EQ(reason(), "mode");
    EXPECT_EQ(infos().back().find('\n'), std::string::npos);
  }
}

// [match] gpu: GPUs of one communicator can differ, so that the verdict could differ by rank.
TEST_F(Warnings, AnotherGpuOnlyWarns) {
  ASSERT_NE(dlopen(STUB_LIBCUDA, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  set_env("CONTRACT_GPU_NAME", "NVIDIA H100 80GB HBM3");
  set_inline_policy(policy_text({RuleText{}}, "[match]\ngpu = \"NVIDIA H200\"\n"));
  const Comm comm = create();
  EXPECT_EQ(reason(), "active");
  EXPECT_EQ(ask(comm, call_of(ncclFuncAllReduce, 4096)).algorithm, NCCL_ALGO_TREE);
  EXPECT_EQ(warnings().size(), 1u);
  EXPECT_TRUE(is_mentioned("NVIDIA H200"));
  EXPECT_TRUE(is_mentioned("NVIDIA H100 80GB HBM3"));
}

TEST_F(Warnings, TheSameGpuDoesNotWarn) {
  ASSERT_NE(dlopen(STUB_LIBCUDA, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  set_env("CONTRACT_GPU_NAME", "NVIDIA H200");
  for (const char* const gpu : {"NVIDIA H200", "NVIDIA*", "*"}) {
    set_inline_policy(policy_text({RuleText{}}, "[match]\ngpu = \"" + std::string(gpu) + "\"\n"));
    const Comm comm = create();
    EXPECT_EQ(reason(), "active");
  }
  EXPECT_TRUE(warnings().empty());
}

// A driver without a current context, and names that are not terminated.
TEST_F(Warnings, AFailingDriverIsNoCrash) {
  ASSERT_NE(dlopen(STUB_LIBCUDA, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  for (const std::string& name : {std::string(), std::string(5000, 'x')}) {
    set_env("CONTRACT_GPU_NAME", name);
    set_inline_policy(policy_text({RuleText{}}, "[match]\ngpu = \"NVIDIA H200\"\n"));
    const Comm comm = create();
    EXPECT_EQ(reason(), "active");
  }
  EXPECT_EQ(warnings().size(), 1u);
}

// The plugin asks a libcuda that is there and never brings one in.
TEST_F(Warnings, NoLibcudaIsNoCrash) {
  set_env("CONTRACT_GPU_NAME", "NVIDIA H200");  // what a search for the library would find
  set_inline_policy(policy_text({RuleText{}}, "[match]\ngpu = \"NVIDIA H200\"\n"));
  const Comm comm = create();
  EXPECT_EQ(reason(), "active");
  EXPECT_EQ(warnings().size(), 1u);
  EXPECT_EQ(dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY), nullptr);
}

}  // namespace
}  // namespace vernier::contract
