// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/tuner_test.hpp"

#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "vernier/nccl_version.hpp"

namespace vernier::contract {
namespace {

constexpr std::string_view kPrefix = "VERNIER/Tuner: ";

std::vector<std::string> lines_of(const Nccl& image, int level) {
  std::vector<std::string> found;
  for (const LogLine& line : image.log()) {
    if (line.level == level && line.text.starts_with(kPrefix)) {
      found.push_back(line.text.substr(kPrefix.size()));
    }
  }
  return found;
}

// What follows `label` in the latest INFO line, as far as its characters are among `allowed`.
std::string find_in_info(const Nccl& image, std::string_view label, std::string_view allowed) {
  const std::vector<std::string> infos = lines_of(image, NCCL_LOG_INFO);
  if (infos.empty()) return {};
  std::string_view line = infos.back();
  const std::size_t at = line.find(label);
  if (at == line.npos) return {};
  line.remove_prefix(at + label.size());
  return std::string(line.substr(0, line.find_first_not_of(allowed)));
}

void clear_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("NCCL_") || name.starts_with("VLLM_")) names.emplace_back(name);
  }
  for (const std::string& name : names) unsetenv(name.c_str());
}

}  // namespace

std::string release_name(const ::testing::TestParamInfo<int>& info) {
  std::string name = format_nccl_version(info.param);
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
}

std::string tuner_dir() {
  const char* const dir = std::getenv("VERNIER_TUNER_DIR");
  return dir != nullptr ? dir : VERNIER_TUNER_DIR;
}

void TunerTest::SetUp() {
  static int started = 0;
  ASSERT_EQ(++started, 1) << "one test per process: run through ctest, or filter for one test";
  clear_environment();
  set_env("NCCL_TUNER_PLUGIN", "vernier");
  nccl().use_library_dir(tuner_dir());
}

void TunerTest::TearDown() {
  if (!policy_file_.empty()) unlink(policy_file_.c_str());
}

void TunerTest::set_env(const char* name, const std::string& value) {
  setenv(name, value.c_str(), 1);
}

void TunerTest::set_inline_policy(std::string_view text) {
  set_env("NCCL_VERNIER_POLICY", inline_value(text));
}

void TunerTest::set_policy_file(std::string_view text) {
  policy_file_ = ::testing::TempDir() + "contract-" + std::to_string(getpid()) + ".toml";
  std::ofstream(policy_file_) << text;
  set_env("NCCL_VERNIER_POLICY", policy_file_);
  set_env("NCCL_VERNIER_AGREE_TIMEOUT_MS", "100");  // tests often create one rank of many
}

NcclLikeOutcome TunerTest::ask(const Comm& comm, const NcclLikeCall& call) {
  const NcclLikeOutcome outcome = comm.ask(call);
  EXPECT_EQ(outcome.result, ncclSuccess) << outcome.text;
  EXPECT_EQ(outcome.tuner_result, ncclSuccess);
  EXPECT_EQ(outcome.damage, NCCL_LIKE_SOUND) << outcome.text;
  return outcome;
}

std::vector<std::string> TunerTest::infos(const Nccl& image) {
  return lines_of(image, NCCL_LOG_INFO);
}

std::vector<std::string> TunerTest::warnings(const Nccl& image) {
  return lines_of(image, NCCL_LOG_WARN);
}

std::string TunerTest::reason(const Nccl& image) {
  return find_in_info(image, ", reason ", "abcdefghijklmnopqrstuvwxyz-");
}

int TunerTest::rules_active(const Nccl& image) {
  const std::string count = find_in_info(image, "rules active ", "0123456789");
  return count.empty() ? -1 : std::stoi(count);
}

Costs TableRelease::small_costs() {
  Costs costs(algorithms());
  float cost = 10;
  for (const int algorithm : {NCCL_ALGO_RING, NCCL_ALGO_TREE}) {
    for (int protocol = NCCL_PROTO_LL; protocol <= NCCL_PROTO_SIMPLE; ++protocol) {
      costs(algorithm, protocol) = cost;
      cost += 10;
    }
  }
  return costs;
}

void expect_untouched(const NcclLikeOutcome& outcome) { expect_only_change(outcome, -1, 0); }

void expect_only_change(const NcclLikeOutcome& outcome, int cell, float cost) {
  // As bits: a NaN must stay the same NaN.
  const auto bits = [](float value) { return std::bit_cast<std::uint32_t>(value); };
  for (int i = 0; i < outcome.algorithms * outcome.protocols; ++i) {
    const float wanted = i == cell ? cost : outcome.before[i];
    EXPECT_EQ(bits(outcome.after[i]), bits(wanted))
        << "algorithm " << i / outcome.protocols << " protocol " << i % outcome.protocols << ": "
        << outcome.before[i] << " became " << outcome.after[i] << ", wanted " << wanted;
  }
  if (cell < 0) {
    EXPECT_EQ(outcome.tuner_channels, 0);
  }
}

}  // namespace vernier::contract
