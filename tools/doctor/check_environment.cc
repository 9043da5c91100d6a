// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/doctor/environment_lints.hpp"
#include "vernier/diagnostic.hpp"

namespace vernier::doctor {
namespace {

using Findings = std::vector<Finding>;

// Named NCCL_*, and not for NCCL: of containers and build systems, of plugins and tests.
constexpr std::array<std::string_view, 12> kNotForNccl = {
    "NCCL_VERSION",    "NCCL_HOME",     "NCCL_ROOT",    "NCCL_DIR",
    "NCCL_PATH",       "NCCL_LIB",      "NCCL_INCLUDE", "NCCL_VERNIER_",
    "NCCL_INSPECTOR_", "NCCL_PROFILE_", "NCCL_TESTS_",  "NCCL_TUNER_CONFIG"};

// What the libraries and plugins here read; empty where no library is known.
std::set<std::string_view> known_words(const Facts& facts) {
  std::set<std::string_view> words;
  bool has_library = false;
  for (const NcclLibrary& library : facts.nccl) {
    has_library = has_library || !library.content.value.nccl_words.empty();
    for (const auto* const object : {&library.content, &library.tuner.content,
                                     &library.profiler.content, &library.net.content}) {
      words.insert(object->value.nccl_words.begin(), object->value.nccl_words.end());
    }
  }
  if (!has_library) words.clear();
  return words;
}

// By a lint, which knows more.
bool is_found(const std::string& name, const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
    return finding.evidence.starts_with(name + "=");
  });
}

// By the libraries' own words: a list of names would be out of date with the next release.
void judge_unread(const Facts& facts, Findings& findings) {
  const std::set<std::string_view> words = known_words(facts);
  if (words.empty()) return;
  for (const auto& [name, setting] : facts.environment) {
    const bool other = std::any_of(kNotForNccl.begin(), kNotForNccl.end(),
                                   [n = &name](auto prefix) { return n->starts_with(prefix); });
    if (!name.starts_with("NCCL_") || other || words.contains(name)) continue;
    if (is_found(name, findings)) continue;
    const std::string hint = did_you_mean(name, {words.begin(), words.end()});
    findings.push_back({"env.unread", hint.empty() ? Severity::note : Severity::warning,
                        fmt::format("{}={} ({}): no NCCL or plugin found here reads it{}", name,
                                    setting.value, setting.source, hint),
                        "it does nothing", "unset it, or spell it as the library does"});
  }
}

// A word for a POSIX shell.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

void judge_policy(const Facts& facts, Findings& findings) {
  if (!facts.policy_problem.empty()) {
    findings.push_back({"env.policy-invalid", Severity::warning,
                        "NCCL_VERNIER_POLICY: " + facts.policy_problem,
                        "the rules are inert (bad-policy)", "vernier policy check"});
  }
  if (!facts.policy) return;
  for (const auto& [name, value] : facts.policy->environment) {
    const auto set = facts.environment.find(name);
    if (set != facts.environment.end() && set->second.value == value) continue;
    findings.push_back(
        {"env.policy-demands", Severity::warning,
         fmt::format("the policy demands {}={}, and it is {}", name, value,
                     set == facts.environment.end()
                         ? "not set"
                         : fmt::format("{} ({})", set->second.value, set->second.source)),
         "all of its rules are inert (environment): they were measured with that",
         fmt::format("export {}={}", name, quoted(value))});
  }
}

void judge_sources(const Facts& facts, Findings& findings) {
  std::map<std::string, std::vector<std::string>> by_file;
  for (const auto& [name, setting] : facts.environment) {
    if (setting.source != "environment") by_file[setting.source].push_back(name);
    for (const std::string& lost : setting.hidden) {
      if (lost.ends_with(": " + setting.value)) continue;
      findings.push_back(
          {"env.hidden", Severity::note,
           fmt::format("{}={} ({}) hides {}", name, setting.value, setting.source, lost),
           "the environment wins over the user's file, and that over /etc/nccl.conf", "keep one"});
    }
  }
  for (const auto& [file, names] : by_file) {
    findings.push_back({"env.conf-file", Severity::note,
                        fmt::format("{} sets {}", file, fmt::join(names, ", ")),
                        "a file that an image brings along works on every job in it, unseen",
                        "nothing, if it is meant"});
  }
  for (const auto& [name, file] : facts.missing_files) {
    findings.push_back({"env.file-missing", Severity::warning,
                        fmt::format("{}={}: there is no such file", name, file),
                        name == "NCCL_VERNIER_POLICY" ? "no rules; one warning in NCCL's log"
                                                      : "NCCL fails or goes on without it",
                        "the path as the serving process sees it"});
  }
}

}  // namespace

void check_environment(const Facts& facts, Findings& findings) {
  for (const EnvironmentLint& lint : environment_lints()) apply(lint, facts, findings);
  judge_unread(facts, findings);
  judge_policy(facts, findings);
  judge_sources(facts, findings);
}

}  // namespace vernier::doctor
