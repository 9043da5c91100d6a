// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "vernier/policy.hpp"

namespace vernier {
namespace {

// A valid rule at lines 3 to 10, for tests that break one thing.
std::string with_rule(const std::string& rule) { return "schema = 1\n\n[[rule]]\n" + rule; }

const std::string kRule =
    "collective = \"allgather\"\n"
    "min_bytes = \"2MiB\"\n"
    "max_bytes = \"8MiB\"\n"
    "ranks = 4\n"
    "nodes = 1\n"
    "instead_of = \"ring/simple\"\n"
    "algorithm = \"ring\"\n"
    "protocol = \"ll128\"\n";

// The errors of `text`, one per line.
std::string errors_of(const std::string& text) {
  const ParsedPolicy parsed = parse_policy(text);
  EXPECT_NE(parsed.policy.has_value(), !parsed.errors.empty());
  std::string all;
  for (const Diagnostic& error : parsed.errors) all += to_string(error, "p.toml") + "\n";
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_error(const std::string& text, const std::string& wanted) {
  const std::string errors = errors_of(text);
  EXPECT_NE(errors.find(wanted), std::string::npos) << "wanted: " << wanted << "\ngot: " << errors;
}

TEST(ParsePolicy, ReadsEveryField) {
  const ParsedPolicy parsed = parse_policy(R"(
schema = 1
name = "h200"
[match]
gpu = "NVIDIA H2*"
nccl = ">=2.28,<2.29"
[environment]
NCCL_SYM_NOWIN_ENABLE = "1"
[measured_on]
driver = "580.159"
gpus = 4
[[rule]]
collective = "allgather"
min_bytes = 4096
max_bytes = "8MiB"
ranks = 4
nodes = 2
instead_of = "ring/simple"
algorithm = "ring"
protocol = "ll128"
channels = 24
alignment = 16
evidence = { default_us = 40.8, tuned_us = 30, ratio_low = 1.30, ratio_high = 1.41, samples = 60 }
)");
  ASSERT_TRUE(parsed.policy) << to_string(parsed.errors.at(0), "p");
  const Policy& policy = *parsed.policy;
  EXPECT_EQ(policy.name, "h200");
  EXPECT_EQ(policy.gpu, "NVIDIA H2*");
  EXPECT_TRUE(policy.nccl->contains(22809));
  EXPECT_FALSE(policy.nccl->contains(22902));
  EXPECT_EQ(policy.environment.at("NCCL_SYM_NOWIN_ENABLE"), "1");
  EXPECT_EQ(policy.measured_on.size(), 2u);
  ASSERT_EQ(policy.rules.size(), 1u);
  const Rule& rule = policy.rules[0];
  EXPECT_EQ(rule.collective, Collective::allgather);
  EXPECT_EQ(rule.min_bytes, 4096u);
  EXPECT_EQ(rule.max_bytes, 8u << 20);
  EXPECT_EQ(rule.ranks, 4);
  EXPECT_EQ(rule.nodes, 2);
  EXPECT_EQ(rule.instead_of, (Choice{Algorithm::ring, Protocol::simple}));
  EXPECT_EQ(rule.choice, (Choice{Algorithm::ring, Protocol::ll128}));
  EXPECT_EQ(rule.channels, 24);
  EXPECT_EQ(rule.alignment, 16);
  EXPECT_EQ(rule.evidence->tuned_us, 30);
  EXPECT_EQ(rule.evidence->samples, 60);
  EXPECT_EQ(rule.where.line, 12);
}

TEST(ParsePolicy, AcceptsAPolicyWithoutRules) { EXPECT_EQ(errors_of("schema = 1\n"), ""); }

TEST(ParsePolicy, RejectsAnotherSchemaWithoutJudgingItsKeys) {
  EXPECT_EQ(errors_of("schema = 2\nrules = 7\n"),
            "p.toml:1:10: error: schema must be 1, the only one this release reads; found integer "
            "2\n");
  expect_error("name = \"x\"\n", "needs the key schema");
}

TEST(ParsePolicy, NamesTheNearestKeyAtItsPlace) {
  expect_error(with_rule(kRule + "chanels = 3\n"),
               "p.toml:12:1: error: [[rule]] has no key "
               "\"chanels\"");
  expect_error(with_rule(kRule + "chanels = 3\n"), "did you mean \"channels\"?");
  expect_error("schema = 1\n[mach]\ngpu = \"x\"\n", "did you mean \"match\"?");
}

TEST(ParsePolicy, NamesTheNearestValue) {
  expect_error(with_rule(replaced(kRule, "\"allgather\"", "\"all_gather\"")),
               "p.toml:4:14: error: collective \"all_gather\" is not known; allowed: broadcast, "
               "reduce, allgather, reducescatter, allreduce; did you mean \"allgather\"?");
  expect_error(with_rule(replaced(kRule, "\"ll128\"", "\"LL128\"")), "did you mean \"ll128\"?");
  expect_error(with_rule(replaced(kRule, "\"ring/simple\"", "\"ring/simpel\"")),
               "did you mean \"ring/simple\"?");
}

TEST(ParsePolicy, RejectsWrongTypes) {
  expect_error(with_rule(replaced(kRule, "ranks = 4", "ranks = \"4\"")),
               "p.toml:7:9: error: ranks must be an integer from 2 to");
  expect_error(with_rule(replaced(kRule, "\"2MiB\"", "\"2MB\"")), "min_bytes must be bytes");
  expect_error(with_rule(replaced(kRule, "\"2MiB\"", "-1")), "found integer -1");
  expect_error(with_rule(replaced(kRule, "\"ring\"", "1")), "algorithm must be text in quotes");
  expect_error("schema = 1\nrule = 3\n", "rule must be an array of tables");
  expect_error("schema = 1\nmatch = 3\n", "match must be a table");
}

TEST(ParsePolicy, AlignmentIsForWhatEachRankHasAPartOf) {
  EXPECT_EQ(errors_of(with_rule(kRule + "alignment = 2\n")), "");
  EXPECT_EQ(
      errors_of(with_rule(replaced(kRule, "allgather", "reducescatter") + "alignment = 128\n")),
      "");
  expect_error(with_rule(kRule + "alignment = 1\n"), "alignment must be an integer from 2 to 128");
  expect_error(with_rule(kRule + "alignment = 129\n"), "found integer 129");
  expect_error(
      with_rule(replaced(kRule, "allgather", "allreduce") + "alignment = 16\n"),
      "p.toml:12:13: error: alignment cannot be used with allreduce, of which no rank has a "
      "part; allowed: no alignment");
}

TEST(ParsePolicy, RejectsMissingKeys) {
  for (const char* key : {"collective", "min_bytes", "max_bytes", "algorithm", "protocol"}) {
    const std::size_t at = kRule.find(key);
    const std::string without = std::string(kRule).erase(at, kRule.find('\n', at) - at);
    expect_error(with_rule(without), std::string("[[rule]] needs the key ") + key);
  }
}

TEST(ParsePolicy, RejectsDuplicateKeys) {
  expect_error(with_rule(kRule + "ranks = 4\n"), "p.toml:12:");
}

TEST(ParsePolicy, RejectsPairsNcclCannotRun) {
  const auto pair = [](const std::string& collective, const std::string& algorithm,
                       const std::string& protocol) {
    return with_rule("collective = \"" + collective + "\"\nmin_bytes = 1\nmax_bytes = 2\n" +
                     "algorithm = \"" + algorithm + "\"\nprotocol = \"" + protocol + "\"\n");
  };
  expect_error(pair("broadcast", "tree", "ll"),
               "NCCL has no tree/ll for broadcast; allowed: "
               "ring/ll, ring/ll128, ring/simple");
  expect_error(pair("allgather", "tree", "simple"), "NCCL has no tree/simple for allgather");
  expect_error(pair("allgather", "pat", "ll"), "NCCL has no pat/ll for allgather");
  expect_error(pair("allreduce", "pat", "simple"), "NCCL has no pat/simple for allreduce");
  expect_error(pair("allreduce", "nvls", "ll128"), "NCCL has no nvls/ll128 for allreduce");
  EXPECT_EQ(errors_of(pair("reducescatter", "pat", "simple")), "");
}

TEST(ParsePolicy, RejectsWhatOnlyTogetherIsWrong) {
  expect_error(with_rule(replaced(kRule, "\"8MiB\"", "\"1MiB\"")),
               "max_bytes 1MiB is below min_bytes; allowed: 2MiB and up");
  expect_error(with_rule(replaced(kRule, "nodes = 1", "nodes = 5")),
               "nodes 5 is more than ranks 4");
  expect_error(with_rule("collective = \"allreduce\"\nmin_bytes = 1\nmax_bytes = 2\n"
                         "algorithm = \"collnet_direct\"\nprotocol = \"simple\"\nchannels = 4\n"),
               "channels cannot be used with collnet_direct");
  expect_error(with_rule(kRule + "channels = 0\n"), "channels must be an integer from 1 to 64");
  expect_error(with_rule(kRule + "channels = 65\n"), "channels must be an integer from 1 to 64");
}

TEST(ParsePolicy, RejectsOverlapsWithBothLines) {
  expect_error(with_rule(kRule) + "[[rule]]\n" + replaced(kRule, "\"2MiB\"", "\"8MiB\""),
               "p.toml:12:1: error: overlaps the rule at line 3: both match allgather of 8MiB to "
               "8MiB");
  // Without ranks a rule matches any number of them.
  expect_error(with_rule(kRule) + "[[rule]]\n" + replaced(kRule, "ranks = 4\n", ""), "overlaps");
  EXPECT_EQ(errors_of(with_rule(kRule) + "[[rule]]\n" + replaced(kRule, "ranks = 4", "ranks = 8")),
            "");
  EXPECT_EQ(errors_of(with_rule(kRule) + "[[rule]]\n" +
                      replaced(replaced(kRule, "\"8MiB\"", "\"9MiB\""), "\"2MiB\"", "8388609")),
            "");
}

TEST(ParsePolicy, ReportsEverySemanticErrorInOrder) {
  const std::string errors =
      errors_of("schema = 1\nnam = \"x\"\n[match]\nnccl = \"2.28\"\n" +
                with_rule(replaced(kRule, "\"ring\"", "\"rng\"")).substr(12) + "foo = 1\n");
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 4) << errors;
  EXPECT_LT(errors.find("p.toml:2:1:"), errors.find("p.toml:4:8:")) << errors;
}

TEST(ParsePolicy, ReportsTheFirstSyntaxErrorWithItsPlace) {
  const std::string errors = errors_of("schema = 1\nname = \n[match\n");
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  EXPECT_EQ(errors.rfind("p.toml:2:", 0), 0u) << errors;
  EXPECT_NE(errors.find("not TOML"), std::string::npos) << errors;
}

TEST(ParsePolicy, RefusesWhatIsTooLargeBeforeParsing) {
  expect_error(std::string(kMaxPolicyBytes + 1, '#'), "more than 1048576 bytes of text");
  expect_error("a = 1\nb = \"" + std::string(5000, 'x') + "\"\n",
               "p.toml:2:4097: error: a line of 5006 bytes; at most 4096 are allowed");
  expect_error("a = " + std::string(100, '['), "p.toml:1:21: error: nested deeper than 16");
  std::string deep = "a = ";
  for (int i = 0; i < 100'000; ++i) deep += "[\n";
  expect_error(deep, "nested deeper than 16");
  expect_error("a = " + std::string(17, '{'), "nested deeper than 16");
  std::string dotted = "a";
  for (int i = 0; i < 100; ++i) dotted += ".a";
  expect_error(dotted + " = 1\n", "nested deeper than 16");
  expect_error(std::string("a = 1\nb\0c", 9), "p.toml:2:2: error: a NUL byte");
}

TEST(ParsePolicy, RefusesWhatIsNotUtf8) {
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5", "\xff", "\xc3", "\xe2\x82", "\xc3("}) {
    expect_error(std::string("schema = 1\nname = 'x") + bad + "'\n",
                 "p.toml:2:10: error: a byte that is not UTF-8");
  }
  EXPECT_EQ(errors_of("schema = 1\nname = 'A\u00e9\u20ac\U0001f600'\n"), "");
}

TEST(ParsePolicy, CountsNoBracketsInTextAndComments) {
  const std::string brackets(100, '[');
  EXPECT_EQ(errors_of("schema = 1 # " + brackets + "\nname = \"" + brackets + "\\\"" + brackets +
                      "\" # \"\n[measured_on]\na = '" + brackets + "'\nb = \"\"\"\n" + brackets +
                      "\"\"\"\nc = 1.5\n"),
            "");
}

TEST(ParsePolicy, RefusesTooManyRules) {
  std::string text = "schema = 1\n";
  for (std::size_t i = 0; i <= kMaxRules; ++i) {
    text += "[[rule]]\ncollective=\"reduce\"\nmin_bytes=" + std::to_string(i) +
            "\nmax_bytes=" + std::to_string(i) + "\nalgorithm=\"ring\"\nprotocol=\"ll\"\n";
  }
  expect_error(text, "4001 rules; at most 4000 are allowed");
}

TEST(ParsePolicy, TellsGpuPatternsFromMistakes) {
  expect_error("schema = 1\n[match]\ngpu = \"NVIDIA * H200\"\n", "may end in one *");
  expect_error("schema = 1\n[match]\ngpu = \"\"\n", "may end in one *");
  EXPECT_TRUE(gpu_matches("NVIDIA H200", "NVIDIA H200"));
  EXPECT_FALSE(gpu_matches("NVIDIA H200", "NVIDIA H200 NVL"));
  EXPECT_TRUE(gpu_matches("NVIDIA H200*", "NVIDIA H200 NVL"));
}

TEST(ParsePolicy, LimitsEnvironmentToWhatNcclReads) {
  expect_error("schema = 1\n[environment]\nLD_PRELOAD = \"x\"\n", "[environment] has");
  expect_error("schema = 1\n[environment]\nNCCL_VERNIER_MODE = \"off\"\n", "[environment] has");
  expect_error("schema = 1\n[environment]\nNCCL_NTHREADS = 128\n",
               "p.toml:3:17: error: NCCL_NTHREADS must be text in quotes; found integer 128");
}

TEST(ParsePolicy, QuotesControlCharacters) {
  EXPECT_EQ(in_quotes("a\x1b[31m\"b\\"), "\"a\\x1b[31m\\x22b\\x5c\"");
  EXPECT_EQ(in_quotes(std::string(100, 'x')), "\"" + std::string(60, 'x') + "...\"");
}

TEST(Bytes, ReadAndWriteTheShortestExactSpelling) {
  EXPECT_EQ(parse_bytes("64KiB"), 65536u);
  EXPECT_EQ(parse_bytes("1GiB"), 1u << 30);
  EXPECT_EQ(parse_bytes("7B"), 7u);
  for (const char* bad : {"", "KiB", "1 KiB", "1KB", "1kib", "-1", "1.5MiB", "99999999999GiB"}) {
    EXPECT_EQ(parse_bytes(bad), std::nullopt) << bad;
  }
  for (const std::uint64_t nbytes :
       {0ull, 1ull, 1000ull, 1024ull, 1536ull, 3ull << 20, 1ull << 40}) {
    EXPECT_EQ(parse_bytes(format_bytes(nbytes)), nbytes);
  }
  EXPECT_EQ(format_bytes(3u << 20), "3MiB");
}

TEST(NcclVersion, RangesHoldPatchesOfAVersionWithoutPatch) {
  const auto in = [](const char* text, int code) {
    return NcclVersionRange::parse(text)->contains(code);
  };
  EXPECT_TRUE(in(">=2.28,<2.29", 22800));
  EXPECT_TRUE(in(" >= 2.28 , < 2.29 ", 22899));
  EXPECT_FALSE(in(">=2.28,<2.29", 22900));
  EXPECT_TRUE(in("==2.28", 22809));
  EXPECT_FALSE(in("==2.28.3", 22809));
  EXPECT_TRUE(in("<=2.28", 22809));
  EXPECT_FALSE(in(">2.28", 22809));
  for (const char* bad : {"", ",", "2.28", ">=2", ">=2.28,", "=>2.28", ">=2.28.1.1", ">=2.100"}) {
    EXPECT_FALSE(NcclVersionRange::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace vernier
