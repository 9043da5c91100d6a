// SPDX-License-Identifier: Apache-2.0
//
// Profiles are read from files that nobody vouches for.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "tools/common/json_members.hpp"
#include "tools/profile/traffic.hpp"
#include "vernier/policy.hpp"

namespace vernier::profile {
namespace {

const std::string kHeader =
    R"({"vernier_profile":1,"vernier":"0.1.0","host":"h","pid":1,"started_ns":1,"written_ns":2,)"
    R"("last_counted_ns":0,"nccl":null,"profiler_abi":5,"mode":"counts","dropped":0,)"
    R"("lost_samples":{"no_event":0,"several_calls":0,"torn":0,"kernels":0}})"
    "\n";
const std::string kCommunicator =
    R"({"communicator":1,"comm_id":"aa","name":"","nodes":1,"ranks":4,"rank":0})"
    "\n";

std::string call(const std::string& kernels, const std::string& operation = "allreduce",
                 const std::string& count = "8", const std::string& calls = "1") {
  return R"({"call":")" + operation + R"(","communicator":1,"data_type":"bfloat16","count":)" +
         count + R"(,"captured":false,"calls":)" + calls + R"(,"kernels":[)" + kernels + "]}\n";
}

std::string kernel(const std::string& enqueued) {
  return R"({"algorithm":"ring","protocol":"ll","channels":2,"enqueued":)" + enqueued +
         R"(,"replayed":0})";
}

Call sized(const std::string& operation, const std::string& data_type, std::uint64_t count) {
  Call one;
  one.operation = operation;
  one.data_type = data_type;
  one.count = count;
  return one;
}

std::string end_after(int lines) {
  return R"({"end_after_lines":)" + std::to_string(lines) + "}\n";
}

TEST(ProfileReader, AWholeFileHasNoProblems) {
  std::vector<std::string> problems;
  const Profile profile =
      read_profile("f", kHeader + kCommunicator + call(kernel("1")) + end_after(3), problems);
  EXPECT_TRUE(problems.empty()) << problems.front();
  ASSERT_EQ(profile.calls.size(), 1u);
  EXPECT_EQ(tuner_bytes(profile.calls[0], 4), 16u);
}

TEST(ProfileReader, ATruncatedFileIsReportedAndTheRestIsUsed) {
  const std::string whole = kHeader + kCommunicator + call(kernel("1")) + end_after(3);
  for (std::size_t length = kHeader.size(); length + 1 < whole.size(); ++length) {
    std::vector<std::string> problems;
    const Profile profile = read_profile("f", std::string_view(whole).substr(0, length), problems);
    EXPECT_EQ(problems.size(), 1u) << length;
    EXPECT_EQ(profile.host, "h");
  }
}

TEST(ProfileReader, SaysWhatIsWrongAndWhere) {
  const struct {
    std::string text;
    std::string problem;
  } cases[] = {
      {"rubbish\n", "line 2: no JSON object"},
      {"[1]\n", "line 2: no JSON object"},
      {std::string(200'000, '[') + "\n", "line 2: no JSON object"},
      {call(kernel("-1")), "\"enqueued\" is not a whole number"},
      {call(kernel("1.5")), "\"enqueued\" is not a whole number"},
      {call(kernel("1e30")), "\"enqueued\" is not a whole number"},
      {call(kernel("\"1\"")), "\"enqueued\" is not a whole number"},
      {call(kernel("1"), "allredcue"), "\"call\" is \"allredcue\", which is not known"},
      {call("7"), "\"algorithm\" is missing"},
      {R"({"communicator":1})"
       "\n",
       "\"comm_id\" is missing"},
      {end_after(9), "it ends too early"},
  };
  for (const auto& one : cases) {
    std::vector<std::string> problems;
    (void)read_profile("f", kHeader + one.text, problems);
    ASSERT_EQ(problems.size(), 1u) << one.text.substr(0, 80);
    EXPECT_NE(problems[0].find(one.problem), std::string::npos) << problems[0];
  }
}

TEST(ProfileReader, PercentilesAreOfTheMiddleOfABucket) {
  const Latency latency = {{10'240, 90}, {20'480, 9}, {40'960, 1}};
  EXPECT_EQ(percentile_ns(latency, 0.5), 10'240u + 256u);
  EXPECT_EQ(percentile_ns(latency, 0.9), 10'240u + 256u);
  EXPECT_EQ(percentile_ns(latency, 0.95), 20'480u + 512u);
  EXPECT_EQ(percentile_ns(latency, 1), 40'960u + 1024u);
  EXPECT_EQ(percentile_ns({}, 0.5), 0u);
}

TEST(ProfileReader, ALineIsBoundedBeforeItIsParsed) {
  std::string keys = "{\"vernier_profile\":1";
  for (int i = 0; i < 5000; ++i) keys += ",\"k" + std::to_string(i) + "\":0";
  std::vector<std::string> problems;
  EXPECT_THROW((void)read_profile("f", keys + "}", problems), Malformed);
  EXPECT_THROW((void)read_profile("f", "{\"a\":\"" + std::string(2u << 20, 'x') + "\"}", problems),
               Malformed);
}

TEST(ProfileReader, ABrokenTunerLineCostsOnlyItself) {
  const std::string line =
      R"({"vernier_tuner":1,"host":"h","pid":1,"comm_id":"aa","ranks":2,"nodes":1,"digest":null,)"
      R"("mode":"apply","reason":"no-policy","detail":""})"
      "\n";
  std::vector<std::string> problems;
  EXPECT_EQ(read_tuner_decisions("t", line + "{\"vernier_tu" + "\n" + line, problems).size(), 2u);
  EXPECT_EQ(problems.size(), 1u);
}

TEST(ProfileReader, ALaterVersionIsRefused) {
  std::vector<std::string> problems;
  EXPECT_THROW((void)read_profile("f", R"({"vernier_profile":2})", problems), Malformed);
  EXPECT_THROW((void)read_profile("f", "", problems), Malformed);
  EXPECT_THROW((void)read_profile("f", "{}", problems), Malformed);
}

TEST(ProfileReader, BytesAreThoseOfThePolicyAndNeverOverflow) {
  Call one = sized("allgather", "bfloat16", 1000);
  EXPECT_EQ(tuner_bytes(one, 4), 8000u);
  EXPECT_EQ(tuner_bytes(one, 0), std::nullopt) << "the ranks are not known";
  one.count = std::uint64_t{1} << 62;
  EXPECT_EQ(tuner_bytes(one, 4), std::nullopt);
  one = sized("allreduce", "other", 5);
  EXPECT_EQ(tuner_bytes(one, 4), std::nullopt);
}

class Traffics : public testing::Test {
 protected:
  static Job job_of(const std::string& lines) {
    Job job;
    job.profiles.push_back(read_profile("f", kHeader + kCommunicator + lines, job.problems));
    job.problems.clear();
    return job;
  }
};

TEST_F(Traffics, WarmUpDoesNotPolluteStatistics) {
  const Job job =
      job_of(call(kernel("3"), "allreduce", "1", "3") + call(kernel("2"), "allreduce", "8", "2"));
  std::vector<std::string> problems;
  const Traffic traffic = gather_traffic(job, "", problems);
  EXPECT_EQ(traffic.warm_up_calls, 3u);
  EXPECT_EQ(traffic.calls, 2u);
  EXPECT_EQ(traffic.rows.size(), 1u);
}

// A digest names a file: of another folder, it must not.
TEST_F(Traffics, ADigestIsNoPath) {
  Job job = job_of(call(kernel("1")));
  TunerDecision decision;
  decision.host = "h";
  decision.pid = 1;
  decision.comm_id = "aa";
  decision.digest = "sha256:/../../etc/passwd";
  decision.reason = "active";
  job.tuner_decisions.push_back(decision);
  std::vector<std::string> problems;
  (void)gather_traffic(job, "/tmp", problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("a digest that is none"), std::string::npos);
}

TEST_F(Traffics, OfARuleForAlignedPartsOthersAreUnaligned) {
  const std::string text =
      "schema = 1\n[[rule]]\ncollective = \"allgather\"\nmin_bytes = 1\nmax_bytes = 1024\n"
      "algorithm = \"ring\"\nprotocol = \"ll\"\nalignment = 16\n";
  Job job = job_of(call(kernel("1"), "allgather", "8") + call(kernel("1"), "allgather", "12"));
  TunerDecision decision{"h", 1, "aa", 4, 1, digest(*parse_policy(text).policy), "apply", "active"};
  job.tuner_decisions.push_back(decision);
  const std::string file = testing::TempDir() + "policy-" +
                           decision.digest.substr(decision.digest.find(':') + 1) + ".toml";
  std::ofstream(file) << text;
  std::vector<std::string> problems;
  const Traffic traffic = gather_traffic(job, testing::TempDir(), problems);
  std::remove(file.c_str());
  EXPECT_TRUE(problems.empty()) << problems[0];
  ASSERT_EQ(traffic.rows.size(), 2u);
  for (const Row& row : traffic.rows) {
    EXPECT_EQ(row.reason, row.nbytes == 4u * 16 ? "applied" : "unaligned");
    EXPECT_EQ(row.requested, row.nbytes == 4u * 16 ? "ring/ll" : "");
  }
}

TEST_F(Traffics, CallsWithoutAKernelAreARowThatAPolicyCannotTouch) {
  const Job job = job_of(call(kernel("3"), "allreduce", "8", "10"));
  std::vector<std::string> problems;
  const Traffic traffic = gather_traffic(job, "", problems);
  ASSERT_EQ(traffic.rows.size(), 2u);
  EXPECT_EQ(traffic.rows[0].calls.most, 7u);
  EXPECT_EQ(traffic.rows[0].algorithm, "");
  EXPECT_EQ(traffic.touchable_calls, 3u);
  EXPECT_EQ(traffic.calls, 10u);
}

// Symmetric memory, timed: the calls of a launch of which no kernel is told are counted once.
TEST_F(Traffics, CallsOfAGraphAreThoseOfItsCallsWithoutAKernelToo) {
  std::string text = call(R"({"algorithm":null,"protocol":null,"channels":0,"enqueued":0,)"
                          R"("replayed":0,"latency_ns":[[8192,5]]})",
                          "allreduce", "8", "80");
  text.replace(text.find("\"captured\":false,"), 17, "\"captured\":true,\"graphs\":2,");
  std::vector<std::string> problems;
  const Traffic traffic = gather_traffic(job_of(text), "", problems);
  ASSERT_EQ(traffic.rows.size(), 1u);
  EXPECT_EQ(traffic.rows[0].calls_per_graph, 40);
}

}  // namespace
}  // namespace vernier::profile
