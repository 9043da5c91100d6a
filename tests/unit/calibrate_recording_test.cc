// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/calibrate/recording.hpp"
#include "tools/calibrate/session.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::string_view kHeader = R"({"record":"header","schema":1,"plan":{"ranks":4}})"
                                     "\n";

template <typename Record>
Recording read_back(const Record& record) {
  const ReadRecording read =
      parse_recording("file", std::string(kHeader) + to_json(record).dump() + "\n");
  EXPECT_TRUE(read.recording) << read.problem;
  return *read.recording;
}

const Point kPoint{Collective::allgather, 5760};

TEST(Recording, EveryRecordReadsBackAsWritten) {
  const LaunchRecord launch{3, 2, 24, 1980, 3201};
  EXPECT_EQ(to_json(read_back(launch).launches.at(0)), to_json(launch));
  const SurveyRecord survey{
      kPoint, {Algorithm::ring, Protocol::ll}, {{{Algorithm::pat, Protocol::simple}, 12.34}}};
  EXPECT_EQ(to_json(read_back(survey).surveys.at(0)), to_json(survey));
  const SwitchRecord change{kPoint, {Algorithm::pat, Protocol::simple}};
  EXPECT_EQ(to_json(read_back(change).switches.at(0)), to_json(change));
  for (const Outcome outcome :
       {Outcome::exact, Outcome::wrong, Outcome::hung, Outcome::crashed, Outcome::refused}) {
    const CheckRecord check{1, kPoint, kDefault, outcome, "why", "ring/ll/4"};
    EXPECT_EQ(to_json(read_back(check).checks.at(0)), to_json(check));
  }
  const SampleRecord samples{2,           Phase::validate,
                             Mode::eager, kPoint,
                             20,          {{"default", {{1.5f}, {2.25f}}}, {"null", {{3}}}}};
  EXPECT_EQ(to_json(read_back(samples).samples.at(0)), to_json(samples));
  const MemoryRecord memory{2, Algorithm::tree, 24};
  EXPECT_EQ(to_json(read_back(memory).memory.at(0)), to_json(memory));
  FloorRecord wire{4, FloorKind::wire};
  wire.operations = 20;
  wire.arms = {{"wire", {{3.1f}, {3.25f}}}};
  FloorRecord windows{5, FloorKind::windows, kPoint, 3};
  windows.arms = {{"default", {{6}}}, {"windows", {{4}}}};
  FloorRecord missing{6, FloorKind::windows};
  missing.not_measured = "hung";
  for (const FloorRecord& floor : {wire, windows, missing}) {
    EXPECT_EQ(to_json(read_back(floor).floors.at(0)), to_json(floor));
  }
}

TEST(Recording, ALastLineThatWasCutOffIsLeftOut) {
  const std::string whole = std::string(kHeader) + to_json(LaunchRecord{0, 1, 32, 0, 0}).dump();
  const ReadRecording read = parse_recording("file", whole);
  ASSERT_TRUE(read.recording);
  EXPECT_TRUE(read.recording->launches.empty());
  EXPECT_EQ(read.complete_bytes, kHeader.size());
}

TEST(Recording, EveryProblemSaysWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "file:2: not JSON: byte 2"},
      {"[]", "file:2: not an object"},
      {"{}", "file:2: \"record\" is missing"},
      {R"({"record":"floor","launch":4,"floor":"lava"})",
       "file:2: \"floor\" is \"lava\", which is not known"},
      {R"({"record":"floor","launch":4,"floor":"wire","operations":1,"us":{"wires":[[1]]}})",
       "file:2: \"us\" has no times of \"wire\""},
      {R"({"record":"floor","launch":4,"floor":"windows","collective":"reduce","bytes":8,)"
       R"("operations":1,"us":{"default":[[1]],"windows":[[1],[2]]}})",
       "file:2: \"us\" does not have as many pairs of \"default\" as of \"windows\""},
      {R"({"record":"lunch"})", "file:2: record \"lunch\" is not known"},
      {R"({"record":"launch","launch":0,"nodes":"1"})", "file:2: \"nodes\" is not a number"},
      {R"({"record":"switch","collective":"allreduce","bytes":0})",
       "file:2: \"bytes\" is not a size"},
      {R"({"record":"switch","collective":"allreduce","bytes":8,"own":"ring/lll"})",
       "file:2: \"own\" is \"ring/lll\", which is not known"},
      {R"({"record":"samples","collective":"reduce","bytes":8,"launch":0,"phase":"screen",)"
       R"("mode":"graph","operations":3,"us":{"default":[[-1]]}})",
       "file:2: a time of \"default\" is not above 0"},
  };
  for (const auto& [line, problem] : cases) {
    const ReadRecording read = parse_recording("file", std::string(kHeader) + line + "\n");
    EXPECT_FALSE(read.recording);
    EXPECT_EQ(read.problem, problem);
  }
  EXPECT_EQ(parse_recording("file", "").problem, "file: holds no measurements");
  EXPECT_EQ(parse_recording("file", "{\"record\":\"launch\"}\n").problem,
            "file:1: the first record is not the header");
  EXPECT_EQ(parse_recording("file", "{\"record\":\"header\",\"schema\":2}\n").problem,
            "file:1: only schema 1 is known");
}

TEST(Recording, ThatNestsWithoutEndIsRefused) {
  const std::string deep = R"({"record":"header","schema":1,"x":)" + std::string(500'000, '[') +
                           std::string(500'000, ']') + "}\n";
  const ReadRecording read = parse_recording("file", deep);
  EXPECT_FALSE(read.recording);
  EXPECT_NE(read.problem.find("file:1: "), std::string::npos) << read.problem;
}

TEST(Recording, OfAnotherMachineDoesNotBelongHere) {
  const Json here{{"machine", {{"gpu", "A"}, {"gpus", 4}}}, {"started", "now"}};
  Json there = here;
  there["started"] = "then";
  EXPECT_EQ(header_difference(there, here), "");
  there["machine"]["gpus"] = 2;
  EXPECT_EQ(header_difference(there, here), "machine gpus: 2 there, 4 here");
}

}  // namespace
}  // namespace vernier::calibrate
