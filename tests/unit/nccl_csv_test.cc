// SPDX-License-Identifier: Apache-2.0
#include "policy/nccl_csv.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace vernier {
namespace {

// The findings of `csv`, one per line.
std::string findings_of(const std::string& csv) {
  std::string all;
  for (const Diagnostic& one : import_nccl_csv(csv).findings) all += to_string(one, "c") + "\n";
  return all;
}

void expect_finding(const std::string& csv, const std::string& wanted) {
  EXPECT_EQ(findings_of(csv), wanted + "\n");
}

// The rules of `csv` as the CSV that would say the same, without its first line.
std::string rules_of(const std::string& csv) {
  Policy policy;
  policy.rules = import_nccl_csv(csv).rules;
  const std::string text = export_nccl_csv(policy);
  return text.substr(text.find('\n') + 1);
}

TEST(NcclCsv, AFieldBecomesAKeyAndMinusOneBecomesNoKey) {
  const CsvImport csv = import_nccl_csv(
      "allgather,1024,2048,ring,ll128,24,1,4\n"
      "reduce,0,-1,ring,simple,-1,-1,-1\n");
  EXPECT_TRUE(csv.findings.empty());
  ASSERT_EQ(csv.rules.size(), 2u);
  const Rule& first = csv.rules[0];
  EXPECT_EQ(first.collective, Collective::allgather);
  EXPECT_EQ(first.min_bytes, 1024u);
  EXPECT_EQ(first.max_bytes, 2048u);
  EXPECT_EQ(first.choice, (Choice{Algorithm::ring, Protocol::ll128}));
  EXPECT_EQ(first.channels, 24);
  EXPECT_EQ(first.nodes, 1);
  EXPECT_EQ(first.ranks, 4);
  const Rule& second = csv.rules[1];
  EXPECT_EQ(second.max_bytes, std::uint64_t{INT64_MAX});
  EXPECT_EQ(second.channels, std::nullopt);
  EXPECT_EQ(second.nodes, std::nullopt);
  EXPECT_EQ(second.ranks, std::nullopt);
  EXPECT_EQ(second.instead_of, std::nullopt);
}

TEST(NcclCsv, CommentsBlankLinesBlanksAndCarriageReturnsMeanNothing) {
  EXPECT_EQ(rules_of("# allreduce,0,9,ring,ll,-1,1,4\n\n \t\r\n"
                     " reduce ,\t0, 9 ,ring,ll, 2 ,1,4 , -1,-1\r\n"),
            "reduce,0,9,ring,ll,2,1,4\n");
  EXPECT_EQ(rules_of("reduce,0,9,ring,ll,2,1,4"), "reduce,0,9,ring,ll,2,1,4\n");
  EXPECT_EQ(rules_of(""), "");
}

TEST(NcclCsv, SizesBeyondAPolicyAreTheLargestOne) {
  EXPECT_EQ(rules_of("reduce,0,18446744073709551615,ring,ll,2,1,4\n"),
            "reduce,0,9223372036854775807,ring,ll,2,1,4\n");
}

TEST(NcclCsv, AnUnknownNameIsAnErrorThatNamesTheNearest) {
  expect_finding("alreduce,0,9,ring,ll,-1,1,4\n",
                 "c:1:1: error: colltype is \"alreduce\"; allowed: broadcast, reduce, allgather, "
                 "reducescatter, allreduce; did you mean \"allreduce\"?");
  expect_finding("allreduce,0,9,rings,ll,-1,1,4\n",
                 "c:1:15: error: algorithm is \"rings\"; allowed: tree, ring, collnet_direct, "
                 "collnet_chain, nvls, nvls_tree, pat; did you mean \"ring\"?");
  expect_finding("allreduce,0,9,ring,LL,-1,1,4\n",
                 "c:1:20: error: protocol is \"LL\"; allowed: ll, ll128, simple; did you mean "
                 "\"ll\"?");
}

TEST(NcclCsv, ABadNumberIsAnErrorAtItsField) {
  expect_finding("allreduce,-1,9,ring,ll,-1,1,4\n",
                 "c:1:11: error: minbytes is \"-1\"; allowed: an integer from 0");
  expect_finding("allreduce,0,9K,ring,ll,-1,1,4\n",
                 "c:1:13: error: maxbytes is \"9K\"; allowed: an integer from 0");
  expect_finding("allreduce,0,9,ring,ll,-2,1,4\n",
                 "c:1:23: error: channels is \"-2\"; allowed: an integer from 0, or -1");
  expect_finding("allreduce,0,9,ring,ll,-1,,4\n",
                 "c:1:26: error: nNodes is \"\"; allowed: an integer from 0, or -1");
  expect_finding("allreduce,0,9,ring,ll,-1,1,99999999999\n",
                 "c:1:28: error: nRanks is \"99999999999\"; allowed: an integer from 0, or -1");
}

TEST(NcclCsv, EveryErrorOfARowIsReported) {
  const std::string findings = findings_of("all,0,x,ring,ll,-1,1,4\n");
  EXPECT_EQ(std::count(findings.begin(), findings.end(), '\n'), 2) << findings;
}

TEST(NcclCsv, ARowHasEightToTenFields) {
  EXPECT_TRUE(findings_of("allreduce,0,9,ring,ll,-1,1,4,-1,-1\n").empty());
  EXPECT_NE(findings_of("allreduce,0,9,ring,ll,-1,1\n").find("7 fields; allowed: 8 to 10"),
            std::string::npos);
  EXPECT_NE(findings_of("allreduce,0,9,ring,ll,-1,1,4,-1,-1,-1\n").find("11 fields"),
            std::string::npos);
}

TEST(NcclCsv, WhatAPolicyMayNotSayIsAnErrorAtItsField) {
  expect_finding("broadcast,0,9,tree,ll,-1,1,4\n",
                 "c:1:15: error: algorithm: NCCL has no tree/ll for broadcast; allowed: ring/ll, "
                 "ring/ll128, ring/simple");
  EXPECT_TRUE(
      findings_of("allreduce,9,8,ring,ll,-1,1,4\n").starts_with("c:1:13: error: maxbytes 8"));
  EXPECT_TRUE(findings_of("allreduce,0,9,ring,ll,65,1,4\n").starts_with("c:1:23: error: channels"));
  EXPECT_TRUE(findings_of("allreduce,0,9,ring,ll,-1,1,1\n").starts_with("c:1:28: error: ranks"));
  EXPECT_TRUE(findings_of("allreduce,0,9,ring,ll,-1,5,4\n").starts_with("c:1:26: error: nodes"));
  EXPECT_TRUE(findings_of("allreduce,0,9,collnet_chain,simple,4,2,4\n")
                  .starts_with("c:1:36: error: channels cannot"));
}

TEST(NcclCsv, ARowThatDependsOnWhatRulesDoNotSeeIsLeftOutAndTakesNothing) {
  expect_finding("allreduce,0,9,ring,ll,-1,1,4,2,-1\nallreduce,0,9,tree,ll,-1,1,4\n",
                 "c:1:30: error: numPipeOps is 2; allowed: -1, since rules do not depend on it");
  EXPECT_EQ(rules_of("allreduce,0,9,ring,ll,-1,1,4,-1,0\nallreduce,0,9,tree,ll,-1,1,4\n"),
            "allreduce,0,9,tree,ll,-1,1,4\n");
}

TEST(NcclCsv, EarlierRowsAreCutOutOfLaterOnes) {
  EXPECT_EQ(rules_of("allreduce,100,199,ring,ll,-1,1,4\n"
                     "allreduce,300,399,tree,ll,-1,-1,4\n"
                     "allreduce,0,999,ring,simple,-1,1,4\n"),
            "allreduce,100,199,ring,ll,-1,1,4\n"
            "allreduce,300,399,tree,ll,-1,-1,4\n"
            "allreduce,0,99,ring,simple,-1,1,4\n"
            "allreduce,200,299,ring,simple,-1,1,4\n"
            "allreduce,400,999,ring,simple,-1,1,4\n");
}

TEST(NcclCsv, ARowWhoseCallsAreAllTakenIsAWarning) {
  const std::string csv =
      "allreduce,0,99,ring,ll,-1,-1,-1\n"
      "allreduce,50,99,tree,ll,-1,1,4\n";
  expect_finding(csv,
                 "c:2:1: warning: never used: earlier rows take all its calls, the first at "
                 "line 1");
  EXPECT_EQ(rules_of(csv), "allreduce,0,99,ring,ll,-1,-1,-1\n");
}

TEST(NcclCsv, AnyButTheseIsAnErrorThatNamesBothRows) {
  const std::string csv =
      "allreduce,0,99,ring,ll,-1,1,4\n"
      "allreduce,50,199,tree,ll,-1,1,-1\n"
      "allreduce,0,299,ring,simple,-1,-1,-1\n"
      "allreduce,300,399,ring,simple,-1,-1,-1\n";
  const std::string findings = findings_of(csv);
  EXPECT_NE(findings.find("c:2:1: error: the row at line 1 takes"), std::string::npos) << findings;
  EXPECT_NE(findings.find("c:3:1: error: the row at line 1 takes"), std::string::npos) << findings;
  EXPECT_EQ(rules_of(csv),
            "allreduce,0,99,ring,ll,-1,1,4\n"
            "allreduce,300,399,ring,simple,-1,-1,-1\n");
}

TEST(NcclCsv, ARowThatCouldNotBeConvertedStillTakesItsCalls) {
  EXPECT_EQ(rules_of("allreduce,0,9,ring,ll,-1,1,4\n"
                     "allreduce,0,99,tree,ll,-1,1,-1\n"
                     "allreduce,0,199,ring,simple,-1,1,8\n"),
            "allreduce,0,9,ring,ll,-1,1,4\n"
            "allreduce,100,199,ring,simple,-1,1,8\n");
}

TEST(NcclCsv, ARowWithTooManyChannelsStillTakesItsCalls) {
  EXPECT_EQ(rules_of("allreduce,0,9,ring,ll,65,1,4\nallreduce,0,19,tree,ll,-1,1,4\n"),
            "allreduce,10,19,tree,ll,-1,1,4\n");
}

TEST(NcclCsv, ARowWithAnImpossiblePairTakesNothing) {
  EXPECT_EQ(rules_of("broadcast,0,9,tree,ll,-1,1,4\nbroadcast,0,9,ring,ll,-1,1,4\n"),
            "broadcast,0,9,ring,ll,-1,1,4\n");
}

TEST(NcclCsv, MoreRowsOrRulesThanAPolicyMayHaveAreErrors) {
  std::string rows;
  for (std::size_t i = 0; i <= kMaxRules; ++i) {
    rows += fmt::format("allreduce,{},{},ring,ll,-1,1,4\n", i * 2, i * 2);
  }
  const CsvImport many = import_nccl_csv(rows);
  EXPECT_EQ(many.rules.size(), kMaxRules);
  ASSERT_EQ(many.findings.size(), 1u);
  EXPECT_EQ(to_string(many.findings.front(), "c"),
            "c:4001:1: error: more than 4000 rows; this one and all after it are not read");

  std::string holes;
  for (std::size_t i = 0; i < kMaxRules / 2; ++i) {
    holes += fmt::format("allreduce,{},{},ring,ll,-1,-1,-1\n", i * 2, i * 2);
  }
  holes += "allreduce,0,9999999,tree,ll,-1,1,4\nallreduce,0,9999999,tree,ll,-1,1,8\n";
  const CsvImport cut = import_nccl_csv(holes);
  EXPECT_EQ(cut.rules.size(), kMaxRules);
  ASSERT_EQ(cut.findings.size(), 1u);
  EXPECT_EQ(to_string(cut.findings.front(), "c"),
            "c:2002:1: error: more than the 4000 rules that are allowed");
}

TEST(NcclCsv, ExportAndImportGiveTheSameRules) {
  const std::string csv =
      "allreduce,0,9,nvls,simple,-1,1,8\n"
      "allgather,10,20,ring,ll128,24,-1,-1\n"
      "reducescatter,0,9223372036854775807,pat,simple,-1,4,4\n";
  EXPECT_EQ(rules_of(csv), csv);
}

// NCCL's example tuner, restated: the first row that matches and whose cell can exist.
const Rule* first_match(const std::vector<Rule>& rows, std::uint64_t nbytes, int ranks, int nodes) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Rule& row) {
    return row.min_bytes <= nbytes && nbytes <= row.max_bytes && row.matches_shape(ranks, nodes) &&
           is_possible(row.collective, row.choice);
  });
  return found == rows.end() ? nullptr : &*found;
}

// Rows that overlap a lot: few shapes, few bytes. Some have an impossible pair (pat).
std::vector<Rule> random_rows(std::mt19937& random) {
  const auto one_of = [&random](auto... values) {
    const std::array all = {values...};
    return all[random() % all.size()];
  };
  std::vector<Rule> rows(1 + random() % 8);
  for (Rule& row : rows) {
    row.collective = Collective::allreduce;
    row.min_bytes = random() % 20;
    row.max_bytes = row.min_bytes + random() % 20;
    row.ranks = one_of(std::optional<int>(), std::optional(4), std::optional(8));
    row.nodes = one_of(std::optional<int>(), std::optional(1), std::optional(2));
    row.choice =
        one_of(Choice{Algorithm::ring, Protocol::ll}, Choice{Algorithm::tree, Protocol::ll},
               Choice{Algorithm::pat, Protocol::simple});
    row.channels = 1 + static_cast<int>(&row - rows.data());  // tells the rows apart
  }
  return rows;
}

TEST(NcclCsv, RulesDecideAsTheRowsDo) {
  std::mt19937 random(20250101);
  int decided = 0;
  int exact = 0;  // imports that lost no row
  for (int round = 0; round < 400; ++round) {
    Policy rows;
    rows.rules = random_rows(random);
    const CsvImport csv = import_nccl_csv(export_nccl_csv(rows));
    EXPECT_TRUE(find_overlaps(csv.rules).empty());
    const bool lost = std::any_of(csv.findings.begin(), csv.findings.end(), [](const auto& one) {
      return one.severity == Diagnostic::Severity::error &&
             one.text.find("NCCL has no pat") == std::string::npos;
    });
    exact += !lost;
    for (std::uint64_t nbytes = 0; nbytes < 41; ++nbytes) {
      for (const auto& [ranks, nodes] : {std::pair(4, 1), {4, 2}, {8, 1}, {8, 2}, {16, 4}}) {
        const Rule* const wanted = first_match(rows.rules, nbytes, ranks, nodes);
        const Rule* const rule = first_match(csv.rules, nbytes, ranks, nodes);
        if (rule == nullptr && (wanted == nullptr || lost)) continue;
        ASSERT_TRUE(rule != nullptr && wanted != nullptr) << export_nccl_csv(rows);
        EXPECT_EQ(rule->channels, wanted->channels) << export_nccl_csv(rows);
        EXPECT_EQ(rule->choice, wanted->choice);
        ++decided;
      }
    }
  }
  // Both kinds of import were met, often enough to mean something.
  EXPECT_GT(exact, 50);
  EXPECT_LT(exact, 350);
  EXPECT_GT(decided, 5000);
}

}  // namespace
}  // namespace vernier
