// SPDX-License-Identifier: Apache-2.0
//
// The synthetic machines of tests/golden/machines: healthy ones give no alarm, and each check is
// seen finding something.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tools/doctor/collect.hpp"
#include "tools/doctor/environment_lints.hpp"
#include "tools/doctor/findings.hpp"
#include "tools/doctor/report.hpp"
#include "tools/machine/machine_recorder.hpp"
#include "tools/machine/machine_tree.hpp"
#include "vernier/nccl_version.hpp"
#include "vernier/policy.hpp"

namespace vernier::doctor {
namespace {

// Tests run at the same time: each has its own folder.
struct TemporaryFolder {
  TemporaryFolder() {
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path); }

  std::string path = testing::TempDir() + "doctor-XXXXXX";
};

Facts facts_of(const std::string& name) {
  return collect(*machine::open_machine_tree(std::string(MACHINES) + "/" + name));
}

class HealthyMachine : public testing::TestWithParam<const char*> {};

TEST_P(HealthyMachine, GivesNoAlarm) {
  for (const Finding& finding : find_all(facts_of(GetParam()))) {
    EXPECT_EQ(finding.severity, Severity::note) << finding.id << ": " << finding.evidence;
  }
}

INSTANTIATE_TEST_SUITE_P(Machines, HealthyMachine,
                         testing::Values("h100x8", "gb10", "rtx4090x4", "rtxpro6000x8", "cloud-vm",
                                         "no-gpu", "h200x2", "h200x2-so-path", "h200x4"),
                         [](const auto& machine) {
                           std::string name = machine.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Machines, EveryCheckFindsSomethingSomewhere) {
  std::set<std::string, std::less<>> found;
  for (const auto& folder : std::filesystem::directory_iterator(MACHINES)) {
    if (!folder.is_directory()) continue;
    for (const Finding& finding : find_all(facts_of(folder.path().filename()))) {
      found.insert(finding.id);
      EXPECT_FALSE(finding.evidence.empty() || finding.consequence.empty() || finding.fix.empty())
          << finding.id;
    }
  }
  Facts measured = facts_of("h100x8");  // no machine in a file has rates
  measured.rates = {{0, 1, 300, 2}, {1, 0, 100, 2}};
  measured.rates_problem = "no memory";
  measured.policy_problem = "line 1: no";
  measured.policy.emplace().environment["NCCL_NTHREADS"] = "256";
  for (const Finding& finding : find_all(measured)) found.insert(finding.id);
  std::set<std::string_view> ids;
  for (const Check& check : checks()) ids.insert(check.ids.begin(), check.ids.end());
  for (const std::string_view id : ids) {
    bool has_inputs = false;  // a lint has inputs of its own, below
    for (const EnvironmentLint& lint : environment_lints()) has_inputs |= lint.id == id;
    EXPECT_TRUE(has_inputs || found.contains(id)) << id << " is never found";
  }
  for (const std::string& id : found) EXPECT_TRUE(ids.contains(id)) << id << " is in no table";
}

TEST(Machines, AFabricThatIsNotSetUpIsNoAlarmWhereCudaStarts) {
  Facts facts = facts_of("cloud-vm-broken");
  const auto severity = [&] {
    for (const Finding& finding : find_all(facts)) {
      if (finding.id == "gpu.fabric") return finding.severity;
    }
    return Severity::warning;
  };
  EXPECT_EQ(severity(), Severity::error);
  facts.cuda_starts = Reading<bool>::of(true);
  EXPECT_EQ(severity(), Severity::note);
}

// Two bridged pairs: what goes over PCIe between them is not a slow NVLink.
TEST(Machines, APairIsJudgedByPairsOfItsKind) {
  Facts facts = facts_of("rtxpro6000x8");
  facts.gpus.resize(4);
  for (const std::size_t gpu : {0u, 1u, 2u, 3u}) {
    facts.gpus[gpu].nvlinks = {{facts.gpus[gpu ^ 1].nvml.pci, 4}};
  }
  facts.rates = {{0, 1, 100, 2}, {2, 3, 98, 2}, {0, 2, 25, 2}, {1, 3, 24, 2}};
  const auto is_slow = [&] {
    for (const Finding& finding : find_all(facts)) {
      if (finding.id == "gpu.pair-slow") return true;
    }
    return false;
  };
  EXPECT_FALSE(is_slow());
  facts.rates[1].gb_per_s = 50;
  EXPECT_TRUE(is_slow());
}

// A release that the lint is for.
int release_for(const EnvironmentLint& lint) {
  for (const int version : {22809, 22304, 22602, 23007, 23102}) {
    if (lint.nccl.empty() || NcclVersionRange::parse(lint.nccl)->contains(version)) return version;
  }
  ADD_FAILURE() << lint.id << " is for no release";
  return 0;
}

bool finds(const EnvironmentLint& lint, std::string_view value, std::string_view with,
           int release) {
  Facts facts = facts_of(std::string(lint.machine));
  facts.nccl.front().version = release;
  const auto set = [&](std::string_view name, std::string_view text) {
    facts.environment[std::string(name)] = {
        std::string(name), std::string(text), "environment", {}};
  };
  if (!value.empty()) set(lint.variable, value);
  if (!with.empty()) {
    set(with.substr(0, with.find('=')), with.substr(with.find('=') + 1));
    if (with.starts_with("NCCL_TUNER_PLUGIN")) facts.nccl.front().tuner.symbol = "x";
  }
  std::vector<Finding> findings;
  apply(lint, facts, findings);
  return !findings.empty();
}

TEST(EnvironmentLints, FindTheBadValueAndNotTheGoodOne) {
  std::set<std::string_view> ids;
  for (const EnvironmentLint& lint : environment_lints()) {
    EXPECT_TRUE(ids.insert(lint.id).second) << lint.id << " is there twice";
    EXPECT_FALSE(lint.source.empty()) << lint.id;
    const int release = release_for(lint);
    EXPECT_TRUE(finds(lint, lint.bad, lint.with, release)) << lint.id << ": " << lint.bad;
    EXPECT_FALSE(finds(lint, lint.good, "", release)) << lint.id << ": " << lint.good;
  }
}

TEST(EnvironmentLints, LookAtTheReleasesTheyAreForAlone) {
  for (const EnvironmentLint& lint : environment_lints()) {
    if (lint.nccl.empty()) continue;
    const auto range = NcclVersionRange::parse(lint.nccl);
    ASSERT_TRUE(range.has_value()) << lint.id;
    for (const int version : {22105, 22304, 22602, 22809, 23007, 23102}) {
      if (range->contains(version)) continue;
      EXPECT_FALSE(finds(lint, lint.bad, lint.with, version)) << lint.id << " at " << version;
    }
  }
}

// Findings about `facts` by id, of those whose id begins with `prefix`.
std::map<std::string, Finding> found(const Facts& facts, std::string_view prefix) {
  std::map<std::string, Finding> by_id;
  for (const Finding& finding : find_all(facts)) {
    if (finding.id.starts_with(prefix)) by_id.emplace(finding.id, finding);
  }
  return by_id;
}

Facts with_setting(const std::string& machine, const std::string& name, const std::string& value) {
  Facts facts = facts_of(machine);
  facts.environment[name] = {name, value, "environment", {}};
  return facts;
}

// The severity of what is said of NICs that are not there; "" where nothing is.
std::string said_of_hca(const std::string& value) {
  const Facts facts = with_setting("h100x8", "NCCL_IB_HCA", value);
  std::string said;
  for (const char* const id : {"env.hca-unknown", "env.hca-absent"}) {
    for (const auto& [name, finding] : found(facts, id)) said += name_of(finding.severity);
  }
  return said;
}

TEST(IbHca, IsAnErrorOnlyWhereNoNicIsLeft) {
  EXPECT_EQ(said_of_hca("=mlx5_77"), "error");
  EXPECT_EQ(said_of_hca("mlx5_77,mlx5_78"), "error");
  EXPECT_EQ(said_of_hca("=mlx5_0,mlx5_77"), "note");
  EXPECT_EQ(said_of_hca("=mlx5_0"), "");
  EXPECT_EQ(said_of_hca("^mlx5_77"), "");
  EXPECT_EQ(said_of_hca("^=mlx5_0,mlx5_77"), "");
}

// NCCL tests whether LL128 is safe only where no entry applies.
TEST(Ll128, IsForcedByEveryEntryThatAllowsIt) {
  const auto is_unsafe = [](const std::string& value) {
    return !found(with_setting("rtx4090x4", "NCCL_PROTO", value), "env.ll128-unsafe").empty();
  };
  for (const char* const value : {"LL128", "ll,LL128", "^LL", "^Simple", "^LL,Simple",
                                  "^LL128;allreduce:LL128", "allreduce:^LL"}) {
    EXPECT_TRUE(is_unsafe(value)) << value;
  }
  for (const char* const value : {"^LL128", "LL,Simple", "^LL128,LL", "allreduce:LL", "auto"}) {
    EXPECT_FALSE(is_unsafe(value)) << value;
  }
}

TEST(ProtoHides, SaysWhichRulesDoNothingWithTheValueGiven) {
  const auto evidence = [](const std::string& value) {
    const auto findings = found(with_setting("h100x8", "NCCL_PROTO", value), "env.proto-hides");
    return findings.empty() ? "" : findings.begin()->second.evidence;
  };
  const std::string ll128 = evidence("LL128");
  EXPECT_NE(ll128.find("excludes ll, simple at every size: rules that choose these do"), ll128.npos)
      << ll128;
  EXPECT_EQ(ll128.find("%"), ll128.npos) << "losses of other protocols: " << ll128;
  EXPECT_NE(evidence("Simple").find("30 % below 16 KiB"), std::string::npos);
  EXPECT_NE(evidence("LL").find("20-fold above 128 KiB"), std::string::npos);
  EXPECT_EQ(evidence("LL,Simple").find("30 %"), std::string::npos) << "not one for all sizes";
  EXPECT_EQ(evidence("LL,LL128,Simple"), "");
}

TEST(Environment, ShellWinsOverTheUsersFileAndThatOverEtc) {
  const Facts facts = facts_of("cloud-vm-broken");
  EXPECT_EQ(facts.environment.at("NCCL_SOCKET_IFNAME").value, "ens4");
  EXPECT_EQ(facts.environment.at("NCCL_SOCKET_IFNAME").hidden,
            std::vector<std::string>{"/etc/nccl.conf: eth0"});
  EXPECT_EQ(facts.environment.at("NCCL_ALGO").source, "/home/user/.nccl.conf");
  EXPECT_EQ(facts.environment.at("NCCL_DEBUG").source, "/etc/nccl.conf");
}

// ---- the policy that the environment names

constexpr const char* kPolicy =
    "schema = 1\nname = \"p\"\n\n[environment]\nNCCL_NTHREADS = \"256\"\n"
    "NCCL_ALGO = \"ring,tree;allreduce:tree\"\n";

// A machine with these variables and a file /policy.toml, and nothing else.
Facts facts_with(const Json& environment, const std::string& policy = kPolicy) {
  const TemporaryFolder folder;
  std::ofstream(folder.path + "/machine.json")
      << Json{{"machine", {{"name", "x"}}},
              {"environment", environment},
              {"text", {{"/policy.toml", policy}}},
              {"real_path", {{"/policy.toml", "/policy.toml"}}}};
  return collect(*machine::open_machine_tree(folder.path));
}

TEST(PolicysEnvironment, IsNotAdvisedAgainst) {
  Json environment{{"NCCL_NTHREADS", "256"}, {"NCCL_ALGO", "ring,tree;allreduce:tree"}};
  EXPECT_EQ(found(facts_with(environment), "env.threads").at("env.threads").severity,
            Severity::warning)
      << "no policy, no excuse";
  const std::string inlined = *encode_inline(*parse_policy(kPolicy).policy);
  for (const std::string& policy : {std::string("/policy.toml"), inlined}) {
    environment["NCCL_VERNIER_POLICY"] = policy;
    const auto findings = found(facts_with(environment), "env.");
    const Finding& threads = findings.at("env.threads");
    EXPECT_EQ(threads.severity, Severity::note);
    EXPECT_NE(threads.evidence.find("as the policy demands"), std::string::npos);
    EXPECT_EQ(threads.fix.find("unset"), std::string::npos) << threads.fix;
    EXPECT_FALSE(findings.contains("env.policy-demands"));
    EXPECT_FALSE(findings.contains("env.policy-invalid"));
  }
}

TEST(PolicysEnvironment, IsDemandedWhereItIsMissingOrDifferent) {
  const Facts facts =
      facts_with({{"NCCL_NTHREADS", "128"}, {"NCCL_VERNIER_POLICY", "/policy.toml"}});
  std::string evidence;
  std::string fixes;
  for (const Finding& finding : find_all(facts)) {
    if (finding.id == "env.threads") {
      EXPECT_EQ(finding.severity, Severity::warning);
    }
    if (finding.id != "env.policy-demands") continue;
    EXPECT_EQ(finding.severity, Severity::warning);
    evidence += finding.evidence + "\n";
    fixes += finding.fix + "\n";
  }
  EXPECT_NE(evidence.find("NCCL_NTHREADS=256, and it is 128 (environment)"), evidence.npos)
      << evidence;
  EXPECT_NE(evidence.find("NCCL_ALGO=ring,tree;allreduce:tree, and it is not set"), evidence.npos)
      << evidence;
  EXPECT_EQ(fixes, "export NCCL_ALGO='ring,tree;allreduce:tree'\nexport NCCL_NTHREADS='256'\n");
}

// What fails or corrupts does so with a policy as well.
TEST(PolicysEnvironment, IsNoExcuseForAnError) {
  const Facts facts = facts_with({{"NCCL_ALGO", "Tree"}, {"NCCL_VERNIER_POLICY", "/policy.toml"}},
                                 "schema = 1\nname = \"p\"\n[environment]\nNCCL_ALGO = \"Tree\"\n");
  EXPECT_EQ(found(facts, "env.algo-stops").at("env.algo-stops").severity, Severity::error);
}

TEST(PolicysEnvironment, IsNotKnownOfAPolicyThatIsWrong) {
  for (const auto& [name, text] : std::map<std::string, std::string>{
           {"/policy.toml", "schema = 1\nname = 3\n"}, {"inline:@@@", ""}}) {
    const auto findings = found(facts_with({{"NCCL_VERNIER_POLICY", name}}, text), "env.policy");
    EXPECT_EQ(findings.at("env.policy-invalid").severity, Severity::warning) << name;
  }
}

TEST(Recorder, WritesDownAMachineThatAnswersAlike) {
  for (const char* const name : {"h100x8-broken", "gb10-broken", "cloud-vm-broken"}) {
    const auto original = machine::open_machine_tree(std::string(MACHINES) + "/" + name);
    machine::MachineRecorder recorder(*original);
    const Facts facts = collect(recorder);
    const TemporaryFolder folder;
    std::ofstream(folder.path + "/machine.json") << recorder.document("again");
    const Facts again = collect(*machine::open_machine_tree(folder.path));
    Json expected = json_of(facts, find_all(facts));
    Json got = json_of(again, find_all(again));
    EXPECT_EQ(got["provenance"], "recorded: again");
    expected.erase("provenance");
    got.erase("provenance");
    EXPECT_EQ(expected, got);
  }
}

TEST(Recorder, KeepsNoSecretsOfTheEnvironment) {
  struct : public machine::MachineView {
    std::string provenance() const override { return {}; }
    Reading<std::string> text(const std::string&) override { return {}; }
    Reading<std::vector<std::string>> entries(const std::string&) override { return {}; }
    Reading<std::string> real_path(const std::string&) override { return {}; }
    Reading<bool> opens(const std::string&) override { return {}; }
    Reading<std::uint64_t> capacity_bytes(const std::string&) override { return {}; }
    Reading<machine::SharedObject> shared_object(const std::string&) override { return {}; }
    Reading<std::string> in_loader_cache(const std::string&) override { return {}; }
    Reading<std::string> python_package(const std::string&) override { return {}; }
    machine::Environment environment() override {
      return {{"NCCL_ALGO", "Ring"},         {"NCCL_IB_PKEY", "7"},
              {"HF_TOKEN", "secret"},        {"VLLM_API_KEY", "secret"},
              {"VLLM_S3_SECRET", "secret"},  {"VLLM_PASSWORD", "secret"},
              {"VLLM_CREDENTIALS", "secret"}};
    }
    Reading<machine::NvmlAnswers> nvml() override { return {}; }
    Reading<machine::VerbsAnswers> verbs() override { return {}; }
    Reading<bool> cuda_starts() override { return {}; }
  } view;
  machine::MachineRecorder recorder(view);
  (void)collect(recorder);
  const std::string text = recorder.document("x").dump();
  EXPECT_NE(text.find("NCCL_ALGO"), text.npos);
  EXPECT_NE(text.find("NCCL_IB_PKEY"), text.npos) << "an index";
  EXPECT_EQ(text.find("secret"), text.npos);
  const Facts facts = collect(view);
  EXPECT_EQ(json_of(facts, {}).dump().find("secret"), text.npos) << "nor in a report";
}

TEST(MachineTree, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  const auto problem_of = [&](const std::string& text) -> std::string {
    std::ofstream(folder.path + "/machine.json") << text;
    try {
      (void)machine::open_machine_tree(folder.path);
      return "none";
    } catch (const std::runtime_error& error) {
      return std::string(error.what()).substr(folder.path.size());
    }
  };
  EXPECT_EQ(problem_of("{"), "/machine.json: not JSON: byte 2");
  EXPECT_EQ(problem_of("[]"), "/machine.json: not a JSON object");
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_EQ(problem_of("{\"machine\": " + deep + "}"), "/machine.json: nested too deeply");
  EXPECT_EQ(problem_of("{}"), "/machine.json: \"machine\" is missing");
  EXPECT_EQ(problem_of("{\"machine\": 3}"), "/machine.json: \"name\" is missing");
  EXPECT_EQ(problem_of("{\"based_on\": \"../../etc\"}"),
            "/machine.json: based_on is not the name of a folder");
  EXPECT_EQ(problem_of(R"({"based_on": ")" +
                       std::filesystem::path(folder.path).filename().string() + "\"}"),
            "/machine.json: based_on goes in a circle");
  EXPECT_EQ(problem_of("{\"machine\": {\"name\": \"x\"}, \"nvml\": {\"driver\": \"1\"}}"),
            "/machine.json: \"gpus\" is missing");
  EXPECT_EQ(problem_of("{\"machine\": {\"name\": \"x\"}, \"nvml\": {\"driver\": \"1\", \"gpus\": "
                       "{\"a\": {\"name\": \"b\", \"links\": 3}}}}"),
            "/machine.json: links is not an object");
}

}  // namespace
}  // namespace vernier::doctor
