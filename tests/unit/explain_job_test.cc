// SPDX-License-Identifier: Apache-2.0
//
// Logs of whole jobs; lines are made by hand after NCCL 2.28's formats.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tools/explain/account.hpp"
#include "tools/explain/judge.hpp"
#include "tools/explain/matters.hpp"
#include "tools/workload/routes.hpp"

namespace vernier::joblog {
namespace {

using nccl_log::Selection;

void add(JobLog& log, int pid, const std::string& text) {
  log.add_line(fmt::format("box:{}:{} [0] NCCL INFO {}", pid, pid, text));
}

void begin(JobLog& log, int rank, int ranks, const char* id = "0xab") {
  for (const char* const what : {"START", "COMPLETE"}) {
    add(log, 100 + rank,
        fmt::format("ncclCommInitRank comm 0x{} rank {} nranks {} cudaDev 0 nvmlDev 0 busId 1 "
                    "commId {} - Init {}",
                    rank + 1, rank, ranks, id, what));
  }
  add(log, 100 + rank,
      fmt::format("comm 0x{} rank {} nRanks {} nNodes 1 localRanks {} localRank 0", rank + 1, rank,
                  ranks, ranks));
}

void call(JobLog& log, int rank, int ranks, int op_count, const char* name, int count,
          int root = 0) {
  add(log, 100 + rank,
      fmt::format(
          "{}: opCount {:x} sendbuff 0x7 recvbuff 0x7 count {} datatype 9 op 0 root {} comm "
          "0x{} [nranks={}] stream 0x1",
          name, op_count, count, root, rank + 1, ranks));
}

SequenceCheck only_check(const JobLog& log) {
  JobEvidence evidence;
  evidence.log = log;
  const Account account = make_account(evidence);
  EXPECT_EQ(account.sequences.size(), 1u);
  return account.sequences.empty() ? SequenceCheck{} : account.sequences.front();
}

class Ranks : public testing::Test {
 protected:
  void SetUp() override {
    for (int rank = 0; rank < 3; ++rank) begin(log_, rank, 3);
  }
  void calls(int rank, std::vector<std::pair<const char*, int>> list, int first = 0) {
    for (const auto& [name, count] : list) call(log_, rank, 3, first++, name, count);
  }
  JobLog log_;
};

TEST_F(Ranks, ThatMakeTheSameCallsAgree) {
  for (int rank = 0; rank < 3; ++rank) calls(rank, {{"AllReduce", 64}, {"AllGather", 8}});
  const SequenceCheck check = only_check(log_);
  EXPECT_EQ(check.result, SequenceCheck::Result::agree);
  EXPECT_EQ(check.compared, 2u);
  EXPECT_EQ(check.seen, (std::vector<int>{0, 1, 2}));
}

TEST_F(Ranks, ThatDisagreeAreNamedAtTheFirstCallThatDiffers) {
  calls(0, {{"AllReduce", 64}, {"AllReduce", 8}, {"AllReduce", 1}});
  calls(1, {{"AllReduce", 64}, {"AllGather", 8}, {"AllReduce", 2}});
  calls(2, {{"AllReduce", 64}, {"AllReduce", 8}, {"AllReduce", 3}});
  const SequenceCheck check = only_check(log_);
  EXPECT_EQ(check.result, SequenceCheck::Result::differ);
  EXPECT_EQ(check.compared, 1u);
  EXPECT_EQ(check.place, "call 2 (opCount 1)");
  ASSERT_EQ(check.camps.size(), 2u);
  EXPECT_EQ(check.camps[0].ranks, (std::vector<int>{0, 2}));
  EXPECT_EQ(check.camps[1].call, "allgather of 8 bfloat16");
}

TEST_F(Ranks, ThatStopEarlyAreBehindAndHideNoDisagreement) {
  calls(0, {{"AllReduce", 64}, {"AllReduce", 8}});
  calls(1, {{"AllReduce", 64}});
  calls(2, {{"AllReduce", 64}, {"AllReduce", 8}});
  const SequenceCheck behind = only_check(log_);
  EXPECT_EQ(behind.result, SequenceCheck::Result::behind);
  EXPECT_EQ(behind.place, "call 2 (opCount 1)");
  calls(0, {{"AllReduce", 1}}, 2);
  calls(2, {{"AllReduce", 2}}, 2);
  const SequenceCheck differ = only_check(log_);
  EXPECT_EQ(differ.result, SequenceCheck::Result::differ);
  EXPECT_EQ(differ.place, "call 3 (opCount 2)");
}

TEST_F(Ranks, WhoseLogsLostTheirHeadAreComparedFromWhereAllHaveBegun) {
  calls(0, {{"AllReduce", 64}, {"AllReduce", 8}, {"AllReduce", 1}});
  calls(1, {{"AllReduce", 8}, {"AllReduce", 1}}, 1);
  calls(2, {{"AllReduce", 1}}, 2);
  const SequenceCheck check = only_check(log_);
  EXPECT_EQ(check.result, SequenceCheck::Result::agree);
  EXPECT_EQ(check.compared, 1u);
}

TEST_F(Ranks, MaySendAndReceiveAsTheyLike) {
  for (int rank = 0; rank < 3; ++rank) {
    call(log_, rank, 3, 0, rank == 0 ? "Send" : "Recv", 5, rank);
    call(log_, rank, 3, 1, "AllReduce", 8);
  }
  EXPECT_EQ(only_check(log_).result, SequenceCheck::Result::agree);
}

TEST_F(Ranks, ThatBroadcastFromOtherRootsDisagree) {
  for (int rank = 0; rank < 3; ++rank) call(log_, rank, 3, 0, "Broadcast", 8, rank == 1 ? 1 : 0);
  EXPECT_EQ(only_check(log_).result, SequenceCheck::Result::differ);
}

// Two ranks whose graphs hold one timed call each, at the same place.
profile::Job captured(std::uint64_t count, std::uint64_t calls, std::uint32_t position) {
  profile::Job job;
  for (const int rank : {0, 1}) {
    profile::Profile profile;
    profile.communicators.push_back({1, "00000000000000aa", "tp", 1, 2, rank});
    profile::Call call;
    call.operation = "allreduce";
    call.communicator = 1;
    call.data_type = "bfloat16";
    call.captured = true;
    call.count = rank == 0 ? 64 : count;
    call.calls = rank == 0 ? 10 : calls;
    profile::Kernel kernel;
    kernel.positions.push_back({rank == 0 ? 7 : position, 1, 9000});
    call.kernels.push_back(kernel);
    profile.calls.push_back(call);
    job.profiles.push_back(profile);
  }
  return job;
}

TEST(Profiles, OfRanksThatDisagreeNameThePlaceInTheGraphs) {
  const auto check = [](const profile::Job& job) {
    const auto checks = check_profiles(job);
    EXPECT_EQ(checks.size(), 1u);
    return checks.front();
  };
  EXPECT_EQ(check(captured(64, 10, 7)).result, SequenceCheck::Result::agree);
  EXPECT_EQ(check(captured(64, 10, 8)).result, SequenceCheck::Result::agree)
      << "ranks need not time the same launches";
  const SequenceCheck other = check(captured(128, 10, 7));
  EXPECT_EQ(other.result, SequenceCheck::Result::differ);
  EXPECT_EQ(other.place, "position 7 of its graphs");
  const SequenceCheck more = check(captured(64, 11, 7));
  EXPECT_EQ(more.result, SequenceCheck::Result::differ);
  EXPECT_EQ(more.place, "numbers of calls in graphs");
}

TEST(JobLog, CountsWhatItCannotReadAndGoesOn) {
  JobLog log;
  log.add_line(std::string(JobLog::kMaxLineBytes + 1, 'x'));
  add(log, 1, "AllReduce: 8192 Bytes -> Algo RI");
  add(log, 1, "NCCL version 2.28.9+cuda12.9");
  log.add_line("");
  EXPECT_EQ(log.totals().lines, 4u);
  EXPECT_EQ(log.totals().unreadable, 2u);
  EXPECT_EQ(log.totals().told, 1u);
  EXPECT_EQ(log.processes().at("box:1").nccl, "2.28.9");
}

TEST(JobLog, HasBoundedMemory) {
  JobLog log;
  for (int i = 0; i < 40'000; ++i) {
    add(log, 1,
        fmt::format("AllReduce: opCount 1 sendbuff 0 recvbuff 0 count 1 datatype 9 op 0 root "
                    "0 comm 0x{:x} [nranks=2] stream 0",
                    i));
  }
  EXPECT_LT(log.members().size(), 20'000u);
  EXPECT_EQ(log.totals().forgotten + log.members().size(), 40'000u);
}

TEST(JobLog, CountsAnAllgatherOfTwentyFourAndLaterInBytesOfAllRanks) {
  JobEvidence evidence;
  begin(evidence.log, 0, 3);
  const std::string front = "AllGather: 1000 Bytes -> Algo RING proto LL";
  add(evidence.log, 100, front + " channel{Lo..Hi}={0..0}");
  add(evidence.log, 100, "AllGather: 3000 Bytes -> Algo 1 proto 0 time 4.0");  // 2.23
  const Account account = make_account(evidence);
  ASSERT_EQ(account.calls.size(), 2u);
  for (const CallAccount& row : account.calls) EXPECT_EQ(row.nbytes, 3000u);
}

TEST(JobLog, DoesNotGuessWhoseASelectionIs) {
  JobEvidence evidence;
  begin(evidence.log, 0, 3);
  add(evidence.log, 100,
      "ncclCommInitRank comm 0x9 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1 commId 0xcd - Init "
      "START");
  add(evidence.log, 100, "AllReduce: 64 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..0}");
  const Account account = make_account(evidence);
  ASSERT_EQ(account.calls.size(), 1u);
  EXPECT_EQ(account.calls[0].ranks, 0) << "of 2 or 3 ranks";
}

TEST(JobLog, FindsRanksThatDidNotFinishAndNcclsThatDiffer) {
  JobEvidence evidence;
  begin(evidence.log, 0, 2);
  add(evidence.log, 100, "NCCL version 2.28.9+cuda12.9");
  add(evidence.log, 101, "NCCL version 2.27.5+cuda12.9");
  add(evidence.log, 101,
      "ncclCommInitRank comm 0x2 rank 1 nranks 2 cudaDev 0 nvmlDev 0 busId 1 commId 0xab - Init "
      "START");
  const Account account = make_account(evidence);
  ASSERT_EQ(account.communicators.size(), 1u);
  EXPECT_EQ(account.communicators[0].unfinished, (std::vector<int>{1}));
  EXPECT_EQ(account.communicators[0].nccl.size(), 2u);
  EXPECT_EQ(account.findings.size(), 2u);
}

TEST(JobLog, TellsVariablesThatRanksReadDifferently) {
  JobEvidence evidence;
  for (const int rank : {0, 1}) {
    begin(evidence.log, rank, 2);
    add(evidence.log, 100 + rank, "NCCL_SOCKET_IFNAME set by environment to eth0");
    add(evidence.log, 100 + rank, fmt::format("NCCL_IB_TC set by environment to {}", 105 + rank));
  }
  add(evidence.log, 101, "NCCL_ALGO set by environment to ring");
  const Account account = make_account(evidence);
  ASSERT_EQ(account.notes.size(), 1u);
  EXPECT_NE(account.notes[0].find("NCCL_IB_TC differently: rank 0: \"105\"; rank 1: \"106\""),
            std::string::npos)
      << account.notes[0];
  ASSERT_EQ(account.findings.size(), 1u) << "NCCL_ALGO changes what a rank chooses";
}

TEST(JobLog, FindsRanksThatChooseDifferentlyAndLeavesReasonsAlone) {
  const auto findings = [](const char* reason, const char* digest) {
    JobEvidence evidence;
    for (const int rank : {0, 1}) {
      begin(evidence.log, rank, 2);
      add(evidence.log, 100 + rank,
          fmt::format(
              "VERNIER/Tuner: vernier 0.1.0: ranks 2, nodes 1, NCCL 2.28.9, tuner v5, policy "
              "\"x\" sha256:{}, rules active 1 of 1, mode apply, reason {}",
              rank == 0 ? "aa" : digest, rank == 0 ? "active" : reason));
    }
    return make_account(evidence).findings.size();
  };
  EXPECT_EQ(findings("active", "aa"), 0u);
  EXPECT_EQ(findings("active", "bb"), 1u);
  EXPECT_EQ(findings("mode", "aa"), 1u);
  JobEvidence inert;
  for (const int rank : {0, 1}) {
    begin(inert.log, rank, 2);
    add(inert.log, 100 + rank,
        fmt::format(
            "VERNIER/Tuner: vernier 0.1.0: ranks 2, nodes 1, NCCL 2.28.9, tuner v5, no policy, "
            "rules active 0 of 0, mode apply, reason {}",
            rank == 0 ? "no-agreement" : "mode"));
  }
  EXPECT_EQ(make_account(inert).findings.size(), 0u) << "NCCL chooses on both";
}

Policy one_rule() {
  return *parse_policy(R"(schema = 1
name = "x"
[[rule]]
collective = "allreduce"
min_bytes = "4KiB"
max_bytes = "32KiB"
ranks = 4
nodes = 1
instead_of = "ring/ll"
algorithm = "tree"
protocol = "ll"
)")
              .policy;
}

constexpr Choice kTreeLl{Algorithm::tree, Protocol::ll};
constexpr Choice kRingLl{Algorithm::ring, Protocol::ll};
constexpr Choice kRingSimple{Algorithm::ring, Protocol::simple};

std::string reason(std::optional<Choice> ran, Tuner tuner, std::uint64_t nbytes = 8192,
                   const char* proto = nullptr, Selection::Path path = Selection::Path::table) {
  JudgedCall call{"allreduce", nbytes, 4, 1, path, ran, "2.28.9", {}, {}};
  if (proto != nullptr) call.nccl_proto = proto;
  const Policy policy = one_rule();
  return judge(call, tuner, &policy).reason;
}

// Asked about another policy, it is that which is judged, unless rules were inert.
TEST(Reasons, OfAProfiledCallTellWhetherRulesWereActive) {
  const auto reason_of_row = [](const char* reason) {
    profile::Row row;
    row.operation = "allreduce";
    row.nbytes = 8192;
    row.ranks = 4;
    row.nodes = 1;
    row.algorithm = "tree";
    row.protocol = "ll";
    row.reason = reason;
    JobEvidence evidence;
    evidence.policy = one_rule();
    evidence.profiles.emplace_back().traffic.rows.push_back(row);
    return make_account(evidence).calls.at(0).reason;
  };
  for (const char* const active : {"applied", "stepped-aside", "no-match", "unaligned"}) {
    EXPECT_EQ(reason_of_row(active), "applied") << active;
  }
  EXPECT_EQ(reason_of_row("environment"), "environment");
}

TEST(Reasons, OfAPartOfARankThatIsNotAlignedIsThat) {
  Policy policy = one_rule();
  policy.rules[0].collective = Collective::reducescatter;
  policy.rules[0].choice = kRingSimple;
  policy.rules[0].alignment = 16;
  const Tuner active{Tuner::Who::vernier, "active", ""};
  const auto verdict = [&](std::uint64_t nbytes, Choice ran) {
    return judge({"reducescatter", nbytes, 4, 1, Selection::Path::table, ran, "2.28.9", {}, {}},
                 active, &policy);
  };
  EXPECT_EQ(verdict(8192, kRingSimple).reason, "applied");
  EXPECT_EQ(verdict(8192, kRingSimple).asked, "ring/simple");
  EXPECT_EQ(verdict(8192 + 32, kRingLl).reason, "unaligned");
  EXPECT_EQ(verdict(8192 + 32, kRingLl).asked, "");
}

TEST(Reasons, OfOneCallFollowFromWhatRan) {
  const Tuner active{Tuner::Who::vernier, "active", ""};
  EXPECT_EQ(reason(kTreeLl, active), "applied");
  EXPECT_EQ(reason(kRingSimple, active), "default-differs");
  EXPECT_EQ(reason(kRingLl, active), "cell-unusable");
  EXPECT_EQ(reason(kRingSimple, active, 8192, "Simple"), "cell-unusable") << "NCCL_PROTO hides it";
  EXPECT_EQ(reason(kTreeLl, active, 64), "no-match");
  EXPECT_EQ(reason({}, active, 8192, nullptr, Selection::Path::symmetric), "symmetric-path");
}

TEST(Reasons, OfACommunicatorStandAboveThoseOfACall) {
  for (const char* const word :
       {"no-agreement", "environment", "wrong-gpu", "wrong-nccl", "batch-invariant", "mode"}) {
    EXPECT_EQ(reason(kTreeLl, {Tuner::Who::vernier, word, ""}), word);
  }
  EXPECT_EQ(reason(kTreeLl, {Tuner::Who::other, "other-tuner", ""}), "other-tuner");
  EXPECT_EQ(reason(kTreeLl, {Tuner::Who::nobody, "no-plugin", ""}), "no-plugin");
}

TEST(Routes, LeaveOutBackendsThatTheEngineDidNotList) {
  workload::AllReduce call{workload::Engine::vllm, workload::Links::nvlink, 90, 8, 1, 8192, true};
  EXPECT_EQ(find_route(call)->backend, "flashinfer");
  const std::vector<std::string> absent = {"flashinfer", "torch symmetric memory"};
  call.absent_backends = absent;
  EXPECT_EQ(find_route(call)->backend, "custom all-reduce");
  call.nbytes = 1 << 20;
  EXPECT_EQ(find_route(call), nullptr);
}

}  // namespace
}  // namespace vernier::joblog
