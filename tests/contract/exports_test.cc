// SPDX-License-Identifier: Apache-2.0
//
// The plugin's five structs, called directly: what no release does, but a later one or another
// program might.
#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <fstream>

#include "tests/contract/tuner_test.hpp"
#include "vernier/abi/nccl_tuner.h"

namespace vernier::contract {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Room for small allocations, none for the megabyte into which a policy file is read. Returns the
// limit as it was.
rlimit limit_address_space() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  rlimit tight = before;
  tight.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + (256u << 10);
  setrlimit(RLIMIT_AS, &tight);
  return before;
}

// A logger that is no part of any NCCL: this program exports no ncclGetVersion.
std::string logged;
void keep_line(ncclDebugLogLevel /*level*/, unsigned long /*flags*/, const char* /*file*/,
               int /*line*/, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::array<char, 1024> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  logged += text.data();
  logged += '\n';
}

class Exports : public TunerTest {
 protected:
  void SetUp() override {
    TunerTest::SetUp();
    library_ = dlopen((tuner_dir() + "/libnccl-tuner-vernier.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
    logged.clear();
  }

  template <typename Struct>
  [[nodiscard]] const Struct& find(const char* name) const {
    const void* const symbol = dlsym(library_, name);
    EXPECT_NE(symbol, nullptr) << name;
    return *static_cast<const Struct*>(symbol);
  }

  void* library_ = nullptr;
  std::array<float, 21> costs_ = [] {
    std::array<float, 21> costs;
    costs.fill(50.0f);
    costs[NCCL_ALGO_RING * 3 + NCCL_PROTO_LL] = 10.0f;
    return costs;
  }();
  float** table() { return reinterpret_cast<float**>(costs_.data()); }
  [[nodiscard]] bool tree_was_chosen() const {
    return costs_[NCCL_ALGO_TREE * 3 + NCCL_PROTO_LL] < 10.0f;
  }
};

TEST_F(Exports, VersionsTwoToSixAndNoOther) {
  for (const char* const name : {"ncclTunerPlugin_v2", "ncclTunerPlugin_v3", "ncclTunerPlugin_v4",
                                 "ncclTunerPlugin_v5", "ncclTunerPlugin_v6"}) {
    // All begin with the name.
    EXPECT_STREQ(find<ncclTuner_v2_t>(name).name, "vernier") << name;
  }
  EXPECT_EQ(dlsym(library_, "ncclTunerPlugin_v1"), nullptr);
  EXPECT_EQ(dlsym(library_, "ncclTunerPlugin_v7"), nullptr);
  EXPECT_EQ(dlsym(library_, "ncclProfiler_v5"), nullptr);
}

TEST_F(Exports, GetChunkSizeIsNull) {
  EXPECT_EQ(find<ncclTuner_v6_t>("ncclTunerPlugin_v6").getChunkSize, nullptr);
}

// An inert communicator may have a NULL context, and NCCL hands it back.
TEST_F(Exports, ANullContextIsTolerated) {
  const auto before = costs_;
  int channels = 0;
  int algorithm = -1;
  int protocol = -1;
  EXPECT_EQ(
      find<ncclTuner_v2_t>("ncclTunerPlugin_v2")
          .getCollInfo(nullptr, ncclFuncAllReduce, 4096, 0, 0, 1, &algorithm, &protocol, &channels),
      ncclSuccess);
  EXPECT_EQ(find<ncclTuner_v3_t>("ncclTunerPlugin_v3")
                .getCollInfo(nullptr, ncclFuncAllReduce, 4096, 1, table(), 7, 3, &channels),
            ncclSuccess);
  EXPECT_EQ(find<ncclTuner_v4_t>("ncclTunerPlugin_v4")
                .getCollInfo(nullptr, ncclFuncAllReduce, 4096, 1, table(), 7, 3, 0, &channels),
            ncclSuccess);
  EXPECT_EQ(find<ncclTuner_v5_t>("ncclTunerPlugin_v5")
                .getCollInfo(nullptr, ncclFuncAllReduce, 4096, 1, table(), 7, 3, 0, &channels),
            ncclSuccess);
  EXPECT_EQ(find<ncclTuner_v6_t>("ncclTunerPlugin_v6")
                .getCollInfo(nullptr, ncclFuncAllReduce, 4096, 1, table(), 7, 3, 0, &channels),
            ncclSuccess);
  EXPECT_EQ(before, costs_);
  EXPECT_EQ(channels, 0);
  EXPECT_EQ(algorithm, -1);
  EXPECT_EQ(find<ncclTuner_v2_t>("ncclTunerPlugin_v2").destroy(nullptr), ncclSuccess);
  EXPECT_EQ(find<ncclTuner_v6_t>("ncclTunerPlugin_v6").finalize(nullptr), ncclSuccess);
}

// [match] nccl cannot be judged: no rules rather than rules for another NCCL.
TEST_F(Exports, AVersionThatIsNotToBeFoundMakesAStatedOneInert) {
  set_inline_policy(policy_text({RuleText{}}, "[match]\nnccl = \">=2.20\"\n"));
  const auto& tuner = find<ncclTuner_v5_t>("ncclTunerPlugin_v5");
  void* context = this;
  ASSERT_EQ(tuner.init(&context, 1, 4, 1, keep_line, nullptr, nullptr), ncclSuccess);
  EXPECT_NE(logged.find("reason unknown-nccl"), std::string::npos) << logged;
  int channels = 0;
  tuner.getCollInfo(context, ncclFuncAllReduce, 4096, 1, table(), 7, 3, 0, &channels);
  EXPECT_FALSE(tree_was_chosen());
  EXPECT_EQ(tuner.finalize(context), ncclSuccess);
}

TEST_F(Exports, AVersionThatIsNotToBeFoundDoesNotMatterToOtherPolicies) {
  set_inline_policy(policy_text({RuleText{}}));
  const auto& tuner = find<ncclTuner_v4_t>("ncclTunerPlugin_v4");
  void* context = nullptr;
  ASSERT_EQ(tuner.init(4, 1, keep_line, &context), ncclSuccess);
  EXPECT_NE(logged.find("reason active"), std::string::npos) << logged;
  int channels = 0;
  tuner.getCollInfo(context, ncclFuncAllReduce, 4096, 1, table(), 7, 3, 0, &channels);
  EXPECT_TRUE(tree_was_chosen());
  EXPECT_EQ(tuner.destroy(context), ncclSuccess);
}

TEST_F(Exports, ANullLoggerIsTolerated) {
  set_inline_policy("not a policy");
  const auto& tuner = find<ncclTuner_v6_t>("ncclTunerPlugin_v6");
  void* context = nullptr;
  EXPECT_EQ(tuner.init(&context, 1, 4, 1, nullptr, nullptr, nullptr), ncclSuccess);
  EXPECT_EQ(tuner.finalize(context), ncclSuccess);
}

// Nothing is thrown into NCCL, and a context that could not be made is NULL.
TEST_F(Exports, NoMemoryIsNoFailure) {
  if (kSanitized) GTEST_SKIP() << "sanitizers reserve more address space than can be limited";
  const auto& tuner = find<ncclTuner_v5_t>("ncclTunerPlugin_v5");
  set_policy_file(policy_text({RuleText{}}));
  const rlimit unlimited = limit_address_space();
  void* context = this;
  const ncclResult_t result = tuner.init(&context, 1, 4, 1, keep_line, nullptr, nullptr);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &unlimited), 0);
  EXPECT_EQ(result, ncclSuccess);
  EXPECT_EQ(context, nullptr);
  EXPECT_EQ(tuner.finalize(context), ncclSuccess);
  // With memory again, the next communicator is told.
  EXPECT_EQ(tuner.init(&context, 1, 4, 1, keep_line, nullptr, nullptr), ncclSuccess);
  EXPECT_NE(logged.find("reason no-agreement"), std::string::npos) << logged;
  EXPECT_EQ(tuner.finalize(context), ncclSuccess);
}

// Whatever NCCL says of a communicator, its creation does not fail.
TEST_F(Exports, AbsurdShapesAreTolerated) {
  set_inline_policy(policy_text({RuleText{}}));
  const auto& tuner = find<ncclTuner_v5_t>("ncclTunerPlugin_v5");
  for (const std::size_t ranks : {std::size_t{0}, std::size_t{1} << 33, ~std::size_t{0}}) {
    for (const std::size_t nodes : {std::size_t{0}, ~std::size_t{0}}) {
      void* context = nullptr;
      EXPECT_EQ(tuner.init(&context, 0, ranks, nodes, keep_line, nullptr, nullptr), ncclSuccess);
      EXPECT_EQ(tuner.finalize(context), ncclSuccess);
    }
  }
}

}  // namespace
}  // namespace vernier::contract
