// SPDX-License-Identifier: Apache-2.0
//
// Writing, digests, inline form and lint.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "vernier/policy.hpp"

namespace vernier {
namespace {

Policy parsed(const std::string& text) {
  ParsedPolicy result = parse_policy(text);
  EXPECT_TRUE(result.policy) << (result.errors.empty() ? "" : to_string(result.errors[0], "p"));
  return result.policy.value_or(Policy{});
}

const std::string kHead =
    "schema = 1\nname = \"a \\\"b\\\"\"\n[match]\ngpu = \"NVIDIA H200\"\nnccl = \">=2.28,<2.29\"\n"
    "[environment]\nNCCL_NTHREADS = \"256\"\n[measured_on]\ndriver = \"580\"\nclock_mhz = 1980\n"
    "load = 0.5\nidle = true\n";
const std::string kFirst =
    "[[rule]]\ncollective = \"allreduce\"\nmin_bytes = 1\nmax_bytes = \"64KiB\"\nranks = 2\n"
    "nodes = 2\ninstead_of = \"ring/ll\"\nalgorithm = \"tree\"\nprotocol = \"ll\"\n"
    "evidence = { default_us = 3.5, tuned_us = 3.0, ratio_low = 1.1, ratio_high = 1.2, "
    "samples = 60 }\n";
const std::string kSecond =
    "[[rule]]\ncollective = \"allreduce\"\nmin_bytes = 65537\nmax_bytes = \"1MiB\"\nranks = 2\n"
    "nodes = 2\nalgorithm = \"tree\"\nprotocol = \"simple\"\nchannels = 8\n";

TEST(WritePolicy, ReadsBackToTheSameText) {
  const Policy policy = parsed(kHead + kFirst + kSecond);
  const std::string text = write_policy(policy, WithEvidence::yes);
  EXPECT_EQ(write_policy(parsed(text), WithEvidence::yes), text);
  EXPECT_EQ(digest(parsed(text)), digest(policy));
  EXPECT_NE(text.find("clock_mhz = 1980"), std::string::npos) << text;
  EXPECT_NE(text.find("samples = 60"), std::string::npos) << text;
}

TEST(Digest, IgnoresNamesEvidenceCommentsAndOrder) {
  const std::string reference = digest(parsed(kHead + kFirst + kSecond));
  std::string renamed = kHead;
  renamed.replace(renamed.find("a \\\"b\\\""), 7, "other");
  renamed.replace(renamed.find("580"), 3, "570");
  std::string without_evidence = kFirst;
  without_evidence.erase(without_evidence.find("evidence"));
  EXPECT_EQ(digest(parsed(renamed + "# comment\n" + kSecond + without_evidence)), reference);
  std::string spelled = kHead;
  spelled.replace(spelled.find(">=2.28,<2.29"), 12, "<2.29, >=2.28");
  EXPECT_EQ(digest(parsed(spelled + kFirst + kSecond)), reference);
}

TEST(Digest, ChangesWithEveryDecidingField) {
  const std::string base = kHead + kFirst + kSecond;
  std::vector<std::string> digests{digest(parsed(base))};
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"NVIDIA H200", "NVIDIA H100"},
      {">=2.28", ">=2.27"},
      {"\"256\"", "\"128\""},
      {"NCCL_NTHREADS", "NCCL_ALGO"},
      {"min_bytes = 1", "min_bytes = 2"},
      {"64KiB", "63KiB"},
      {"ranks = 2", "ranks = 4"},
      {"nodes = 2", "nodes = 1"},
      {"ring/ll", "ring/simple"},
      {"protocol = \"ll\"", "protocol = \"ll128\""},
      {"channels = 8", "channels = 9"}};
  for (const auto& [from, to] : changes) {
    std::string text = base;
    text.replace(text.find(from), from.size(), to);
    digests.push_back(digest(parsed(text)));
  }
  std::sort(digests.begin(), digests.end());
  EXPECT_EQ(std::unique(digests.begin(), digests.end()), digests.end());
}

TEST(Digest, ChangesWithTheAlignment) {
  std::set<std::string> digests;
  for (const char* const alignment : {"", "alignment = 16\n", "alignment = 32\n"}) {
    std::string rule = kFirst;
    rule.replace(rule.find("allreduce"), 9, "allgather");
    rule.replace(rule.find("tree"), 4, "ring");
    rule.replace(rule.find("protocol"), 0, alignment);
    digests.insert(digest(parsed("schema = 1\n" + rule)));
  }
  EXPECT_EQ(digests.size(), 3u);
}

// SHA-256 of "vernier policy schema 1\n", computed with sha256sum.
TEST(Digest, IsSha256OfTheCanonicalText) {
  EXPECT_EQ(digest(parsed("schema = 1\nname = \"x\"\n")),
            "sha256:a0d927ff4c17562a0e8874ad9375cadeb09f37e74ecb822cb2cd838173822641");
}

TEST(InlinePolicy, CarriesTheDecidingFieldsWithoutEvidence) {
  const Policy policy = parsed(kHead + kFirst + kSecond);
  const auto value = encode_inline(policy);
  ASSERT_TRUE(value);
  EXPECT_TRUE(value->starts_with("inline:"));
  EXPECT_EQ(value->find_first_of(" \n\"'"), std::string::npos) << "safe in a shell";
  const auto text = decode_inline(std::string_view(*value).substr(7));
  ASSERT_TRUE(text);
  EXPECT_EQ(text->find("evidence"), std::string::npos);
  EXPECT_EQ(digest(parsed(*text)), digest(policy));
  EXPECT_EQ(parsed(*text).name, policy.name);
}

TEST(InlinePolicy, RefusesWhatIsNotBase64OrTooLong) {
  EXPECT_EQ(decode_inline("not base64!"), std::nullopt);
  EXPECT_EQ(decode_inline("abc"), std::nullopt);
  EXPECT_EQ(decode_inline(std::string(kMaxInlineBytes + 4, 'A')), std::nullopt);
  EXPECT_EQ(decode_inline(""), "");
  EXPECT_EQ(decode_inline("YWJj\n"), "abc");
  Policy policy = parsed(kHead + kFirst);
  policy.rules.assign(kMaxRules, policy.rules[0]);
  EXPECT_EQ(encode_inline(policy), std::nullopt);
}

std::string warnings_of(const std::string& text) {
  std::string all;
  for (const Diagnostic& warning : lint(parsed(text))) {
    EXPECT_EQ(warning.severity, Diagnostic::Severity::warning);
    all += to_string(warning, "p") + "\n";
  }
  return all;
}

TEST(Lint, IsSilentAboutACompleteRule) { EXPECT_EQ(warnings_of("schema = 1\n" + kFirst), ""); }

TEST(Lint, WarnsAboutWhatCalibrateWouldHaveWritten) {
  const std::string warnings = warnings_of(
      "schema = 1\n[[rule]]\ncollective = \"reduce\"\nmin_bytes = 1\nmax_bytes = 2\n"
      "algorithm = \"ring\"\nprotocol = \"ll\"\n");
  for (const char* wanted : {"no evidence", "no ranks", "no nodes", "no instead_of"}) {
    EXPECT_NE(warnings.find(wanted), std::string::npos) << warnings;
  }
}

TEST(Lint, WarnsAboutAHoleBetweenEqualNeighbours) {
  std::string high = kFirst;
  high.replace(high.find("min_bytes = 1"), 13, "min_bytes = 65538");
  high.replace(high.find("64KiB"), 5, "1MiB");
  EXPECT_NE(warnings_of("schema = 1\n" + kFirst + high).find("a hole from 65537 to 65537"),
            std::string::npos);
  high.replace(high.find("65538"), 5, "65537");
  EXPECT_EQ(warnings_of("schema = 1\n" + kFirst + high), "");
}

TEST(Lint, WarnsAboutARuleThatChangesNothing) {
  std::string rule = kFirst;
  rule.replace(rule.find("ring/ll"), 7, "tree/ll");
  EXPECT_NE(warnings_of("schema = 1\n" + rule).find("changes nothing"), std::string::npos);
}

}  // namespace
}  // namespace vernier
