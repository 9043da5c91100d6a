// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "tools/calibrate/bundles/offer.hpp"
#include "tools/calibrate/recording.hpp"
#include "tools/common/json_members.hpp"

namespace vernier::calibrate {
namespace {

constexpr const char* kGood =
    R"({"vernier_bundles":1,"bundles":[{"name":"a","variables":["NCCL_X=1","NCCL_Y=a,b;c:d"],)"
    R"("nccl":">=2.29","safe":"always","source":"here"}]})";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string problem_of(const std::string& text) {
  try {
    (void)parse_bundles(text);
  } catch (const Malformed& problem) {
    return problem.what();
  }
  return "";
}

TEST(BundleFile, IsReadAsWritten) {
  const auto bundles = parse_bundles(kGood);
  ASSERT_EQ(bundles.size(), 1u);
  EXPECT_EQ(bundles[0].name, "a");
  EXPECT_EQ(bundles[0].variables.at("NCCL_Y"), "a,b;c:d");
  EXPECT_TRUE(bundles[0].nccl->contains(22900));
  EXPECT_FALSE(bundles[0].nccl->contains(22809));
  EXPECT_FALSE(bundles[0].is_conditional());
  EXPECT_TRUE(parse_bundles(with("always", "one stream"))[0].is_conditional());
}

TEST(BundleFile, ThatIsWrongIsRefusedWithWhere) {
  const struct {
    const char *from, *to, *said;
  } cases[] = {{R"("safe":"always",)", "", "\"safe\" is missing"},
               {"always", "", "have to say something"},
               {"here", "", "have to say something"},
               {R"("safe")", R"("save")", "\"save\" is not known"},
               {R"("name":"a")", R"("name":"a b")", "no name of a bundle"},
               {R"("name":"a")", R"("name":"a","name":"b")", "\"name\" is there twice"},
               {"NCCL_Y=a,b;c:d", "NCCL_X=2", "NCCL_X is there twice"},
               {"NCCL_X=1", "LD_PRELOAD=x", "allowed is NCCL_NAME=VALUE"},
               {"NCCL_X=1", "NCCL_X", "allowed is NCCL_NAME=VALUE"},
               {"NCCL_X=1", "NCCL_VERNIER_MODE=off", "set by the measuring itself"},
               {R"(["NCCL_X=1","NCCL_Y=a,b;c:d"])", "[]", "not a list of NCCL_NAME=VALUE"},
               {">=2.29", "2.29 or so", "no range of versions"},
               {R"("vernier_bundles":1)", R"("vernier_bundles":2)", "is not 1"},
               {R"("bundles":[)", R"("bundels":[)", "\"bundels\" is not known"},
               {"}]}", "}]", "not JSON"},
               {R"("safe":"always")", R"("safe":{"a":{"b":{"c":{}}}})", "nested too deeply"}};
  for (const auto& [from, to, said] : cases) {
    EXPECT_NE(problem_of(with(from, to)).find(said), std::string::npos)
        << said << " not in: " << problem_of(with(from, to));
  }
  EXPECT_NE(problem_of(with("always", "")).find("bundle \"a\""), std::string::npos);
}

TEST(BundleOnTheCommandLine, IsANameAndVariables) {
  const Bundle bundle = parse_bundle(" fast : NCCL_A=1  NCCL_B=x=y ");
  EXPECT_EQ(bundle.name, "fast");
  EXPECT_EQ(variables_text(bundle), "NCCL_A=1 NCCL_B=x=y");
  EXPECT_FALSE(bundle.is_conditional()) << "who names it knows what it does";
  for (const char* const bad :
       {"NCCL_A=1", ": NCCL_A=1", "a:", "a: NCCL_A", "a: NCCL_A=1 NCCL_A=2", "a: PATH=1"}) {
    EXPECT_THROW((void)parse_bundle(bad), std::invalid_argument) << bad;
  }
}

TEST(ShippedBundles, AreValidAndDiffer) {
  const auto bundles = read_bundles("shipped");
  EXPECT_GE(bundles.size(), 20u);
  std::set<std::map<std::string, std::string>> sets;
  for (const Bundle& bundle : bundles) {
    EXPECT_TRUE(sets.insert(bundle.variables).second) << bundle.name;
    // Forced LL128 can corrupt data, and mixing off can hang: never without being asked.
    const bool risky = forces_ll128(bundle) || bundle.variables.contains("NCCL_ALGO") ||
                       bundle.variables.contains("NCCL_GRAPH_MIXING_SUPPORT");
    EXPECT_EQ(bundle.is_conditional(), risky) << bundle.name;
    EXPECT_EQ(bundle.nccl && !bundle.nccl->contains(22809),
              bundle.variables.contains("NCCL_SYM_NOWIN_ENABLE"))
        << bundle.name;
  }
  EXPECT_NO_THROW((void)offer_bundles(bundles, 23007, true, {})) << "two of one name";
  EXPECT_TRUE(read_bundles("none").empty());
  EXPECT_THROW((void)read_bundles("/nowhere.json"), std::runtime_error);
}

std::vector<std::string> names(const Offer& offer) {
  std::vector<std::string> all;
  for (const Bundle& bundle : offer.bundles) all.push_back(bundle.name);
  return all;
}

TEST(Offer, IsWhatAppliesAndIsSafeAndIsNotSetYet) {
  Bundle plain = parse_bundle("plain: NCCL_A=1 NCCL_B=2");
  Bundle newer = parse_bundle("newer: NCCL_C=1");
  newer.nccl = NcclVersionRange::parse(">=2.29");
  Bundle risky = parse_bundle("risky: NCCL_D=1");
  risky.safe = "one stream at a time";
  const std::vector<Bundle> known{plain, newer, risky};
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(offer_bundles(known, 22809, false, {})), Names{"plain"});
  EXPECT_EQ(names(offer_bundles(known, 23007, true, {})), (Names{"plain", "newer", "risky"}));
  EXPECT_EQ(names(offer_bundles(known, 22809, false, {{"NCCL_A", "1"}})), Names{"plain"});
  EXPECT_EQ(names(offer_bundles(known, 22809, false, {{"NCCL_A", "1"}, {"NCCL_B", "2"}})), Names{});
  const auto left_out = offer_bundles(known, 22809, false, {}).left_out;
  ASSERT_EQ(left_out.size(), 2u);
  EXPECT_EQ(left_out[0], "newer: for NCCL >=2.29");
  EXPECT_EQ(left_out[1], "risky: safe only if one stream at a time; --offer-conditional tries it");
  EXPECT_THROW((void)offer_bundles({plain, plain}, 22809, false, {}), std::runtime_error);
}

TEST(ForcedLl128, IsSeenInEverySpelling) {
  const auto forces = [](const std::string& value) {
    return forces_ll128(parse_bundle("x: NCCL_PROTO=" + value));
  };
  EXPECT_TRUE(forces("LL128"));
  EXPECT_TRUE(forces("LL,ll128"));
  EXPECT_TRUE(forces("Simple;allreduce:LL128"));
  // A list that leaves it in counts as naming it.
  for (const char* const inverted : {"^LL", "^Simple", "^LL,Simple", "^LL128;allreduce:LL128"}) {
    EXPECT_TRUE(forces(inverted)) << inverted;
  }
  EXPECT_FALSE(forces("^LL128"));
  EXPECT_FALSE(forces("LL,Simple"));
  EXPECT_FALSE(forces_ll128(parse_bundle("x: NCCL_ALGO=Tree")));
}

// ---- what a recording keeps of bundles ----

std::string recording_text(const std::string& more) {
  return R"({"record":"header","schema":1,"set_environment":{"NCCL_Z":"0"},"bundles":{"a":)"
         R"({"name":"a","variables":["NCCL_X=1"],"safe":"always","source":"here"}}})"
         "\n" +
         more;
}

TEST(RecordingOfBundles, KeepsTheirRecordsApart) {
  const std::string launch =
      R"({"record":"launch","launch":0,"nodes":1,"comm_channels":24,"sm_mhz":0,"memory_mhz":0})";
  const ReadRecording read = parse_recording(
      "x", recording_text(launch + "\n" + line_of_bundle("a", launch) + "\n" +
                          line_of_bundle("a", to_json(RejectionRecord{"no"}).dump()) + "\n"));
  ASSERT_TRUE(read.recording) << read.problem;
  EXPECT_EQ(read.recording->launches.size(), 1u);
  ASSERT_EQ(read.recording->bundles.size(), 1u);
  const Recording& bundle = read.recording->bundles[0].recording;
  EXPECT_EQ(bundle.launches.size(), 1u);
  ASSERT_EQ(bundle.rejections.size(), 1u);
  EXPECT_EQ(bundle.rejections[0].reason, "no");
  EXPECT_EQ(bundle.header["set_environment"].dump(), R"({"NCCL_Z":"0","NCCL_X":"1"})");
  EXPECT_EQ(read.recording->header["set_environment"].dump(), R"({"NCCL_Z":"0"})");
}

TEST(RecordingOfBundles, ThatIsWrongIsRefusedWithTheLine) {
  for (const std::string& line :
       {line_of_bundle("b", R"({"record":"rejected","reason":"no"})"),
        line_of_bundle("a", R"({"record":"header","schema":1})"),
        line_of_bundle("a", line_of_bundle("a", R"({"record":"rejected","reason":"no"})")),
        line_of_bundle("a", "1"), std::string(R"({"record":"bundle","bundle":"a"})")}) {
    const ReadRecording read = parse_recording("x", recording_text(line + "\n"));
    EXPECT_FALSE(read.recording) << line;
    EXPECT_EQ(read.problem.find("x:2: "), 0u) << read.problem;
  }
  EXPECT_FALSE(
      parse_recording("x", "{\"record\":\"header\",\"schema\":1,\"bundles\":[1]}\n").recording);
}

}  // namespace
}  // namespace vernier::calibrate
