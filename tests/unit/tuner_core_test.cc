// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "plugin/common/settings.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/env_selection.hpp"

namespace vernier {
namespace {

constexpr Choice kTreeLl{Algorithm::tree, Protocol::ll};
constexpr Choice kRingSimple{Algorithm::ring, Protocol::simple};

TEST(EnvSelection, LeavesEverythingWhenUnset) {
  EXPECT_TRUE(EnvSelection({}, {}).allows(Collective::allreduce, kTreeLl));
}

TEST(EnvSelection, ReadsNcclsGrammar) {
  const auto allows = [](std::optional<std::string_view> algo,
                         std::optional<std::string_view> proto, Collective collective,
                         Choice choice) {
    return EnvSelection(algo, proto).allows(collective, choice);
  };
  EXPECT_FALSE(allows("Ring", {}, Collective::allreduce, kTreeLl));
  EXPECT_TRUE(allows("ring,TREE", {}, Collective::allreduce, kTreeLl));
  EXPECT_FALSE(allows("^tree", {}, Collective::allreduce, kTreeLl));
  EXPECT_TRUE(allows("^tree", {}, Collective::allreduce, kRingSimple));
  EXPECT_FALSE(allows({}, "Simple", Collective::allreduce, kTreeLl));
  EXPECT_FALSE(allows({}, "^LL", Collective::allreduce, kTreeLl));
  EXPECT_TRUE(allows("ring;allreduce:tree", {}, Collective::allreduce, kTreeLl));
  EXPECT_FALSE(allows("ring;allreduce:tree", {}, Collective::allreduce, kRingSimple));
  EXPECT_TRUE(allows("ring;allreduce:tree", {}, Collective::allgather, kRingSimple));
  EXPECT_TRUE(allows("allreduce:tree", {}, Collective::allgather, kRingSimple));
  EXPECT_TRUE(
      allows("NVLSTree", {}, Collective::allreduce, {Algorithm::nvls_tree, Protocol::simple}));
}

TEST(EnvSelection, TakesTextThatNcclRefusesForNothing) {
  for (const char* text : {"auto", "ring;tree", "foo:ring", "ring,,tree"}) {
    EXPECT_TRUE(EnvSelection(text, {}).allows(Collective::allreduce, kTreeLl)) << text;
  }
}

TEST(Settings, ModesAreThreeWords) {
  EXPECT_EQ(parse_mode("apply"), Mode::apply);
  EXPECT_EQ(parse_mode("observe"), Mode::observe);
  EXPECT_EQ(parse_mode("off"), Mode::off);
  EXPECT_EQ(parse_mode("Off"), std::nullopt);
}

TEST(Settings, FindsVariablesItDoesNotKnow) {
  setenv("NCCL_VERNIER_POLCY", "x", 1);
  setenv("NCCL_VERNIER_MODE", "off", 1);
  const auto unknown = find_unknown_variables();
  unsetenv("NCCL_VERNIER_POLCY");
  unsetenv("NCCL_VERNIER_MODE");
  EXPECT_EQ(unknown, std::vector<std::string>{"NCCL_VERNIER_POLCY"});
}

constexpr std::string_view kText =
    "schema = 1\n[[rule]]\ncollective = \"allreduce\"\nmin_bytes = 1\nmax_bytes = 2\n"
    "algorithm = \"tree\"\nprotocol = \"ll\"\n";

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    const int file = mkstemp(path_);
    EXPECT_GE(file, 0);
    close(file);
    write(text);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_); }
  void write(std::string_view text) const { std::ofstream(path_) << text; }
  [[nodiscard]] const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/vernier-policy-XXXXXX";
};

TEST(PolicyStore, ParsesAContentOnceForAllThreads) {
  const TemporaryFile file(kText);
  std::vector<std::shared_ptr<LoadedPolicy>> loaded(8);
  std::vector<std::thread> threads;
  for (auto& one : loaded) {
    threads.emplace_back([&one, &file] { one = load_policy(file.path()); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : loaded) EXPECT_EQ(one, loaded[0]);
  EXPECT_EQ(loaded[0]->table(4, 1, AllGatherChannels::keep),
            loaded[1]->table(4, 1, AllGatherChannels::keep));
}

TEST(PolicyStore, SeesAChangedFileAndKeepsTheOldPolicyAlive) {
  const TemporaryFile file(kText);
  const auto before = load_policy(file.path());
  file.write(std::string(kText) + "channels = 2\n");
  const auto after = load_policy(file.path());
  EXPECT_NE(before->digest(), after->digest());
  EXPECT_EQ(before->policy()->rules.size(), 1u);
}

TEST(PolicyStore, SaysWhyThereIsNoPolicy) {
  EXPECT_NE(load_policy("/no/such/file")->problem().find("/no/such/file: error: No such file"),
            std::string::npos);
  EXPECT_NE(load_policy("/tmp")->problem().find("not a regular file"), std::string::npos);
  EXPECT_NE(load_policy("inline:!")->problem().find("base64"), std::string::npos);
  const TemporaryFile broken("schema = 1\nfoo = 1\nbar = 2\nbaz = 3\nqux = 4\n");
  const std::string problem = load_policy(broken.path())->problem();
  EXPECT_NE(problem.find(":2:1: error"), std::string::npos) << problem;
  EXPECT_NE(problem.find("and 1 more"), std::string::npos) << problem;
  const TemporaryFile large(std::string(kMaxPolicyBytes + 100, '#'));
  EXPECT_NE(load_policy(large.path())->problem().find("more than 1048576 bytes"),
            std::string::npos);
}

TEST(PolicyStore, DoesNotWaitForAPipe) {
  char path[] = "/tmp/vernier-pipe-XXXXXX";
  close(mkstemp(path));
  unlink(path);
  ASSERT_EQ(mkfifo(path, 0600), 0);
  EXPECT_NE(load_policy(path)->problem().find("not a regular file"), std::string::npos);
  unlink(path);
}

}  // namespace
}  // namespace vernier
