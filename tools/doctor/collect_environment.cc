// SPDX-License-Identifier: Apache-2.0
//
// NCCL's variables as NCCL gets them: it reads the user's file and then /etc/nccl.conf at its first
// call and puts what they say into the environment, where that has no value yet (2.19 to 2.32,
// src/misc/param.cc).
#include <sstream>
#include <string_view>

#include "tools/doctor/collect.hpp"
#include "tools/machine/secrets.hpp"

namespace vernier::doctor {
namespace {

constexpr std::size_t kMaxValueBytes = 1023;  // NCCL cuts names and values

bool is_ours(std::string_view name) {
  if (machine::names_a_secret(name)) return false;
  return name.starts_with("NCCL_") || name.starts_with("VLLM_") || name == "SGLANG_NCCL_SO_PATH";
}

// A source of lower rank than all that were added before.
void add(std::map<std::string, Setting>& settings, const std::string& name,
         const std::string& value, const std::string& source) {
  const auto [found, is_new] = settings.try_emplace(name, Setting{name, value, source, {}});
  if (!is_new) found->second.hidden.push_back(source + ": " + value);
}

// KEY=VALUE lines; one that begins with # is skipped; nothing is trimmed or quoted.
void add_file(machine::MachineView& machine, const std::string& file, Facts& facts) {
  const Reading<std::string> text = machine.text(file);
  if (text.is_unreadable()) facts.unreadable.push_back(file + ": " + text.why);
  std::istringstream lines(text.value);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == line.npos || equals == 0) continue;
    add(facts.environment, line.substr(0, equals), line.substr(equals + 1, kMaxValueBytes), file);
  }
}

}  // namespace

void collect_environment(machine::MachineView& machine, Facts& facts) {
  const machine::Environment shell = machine.environment();
  for (const auto& [name, value] : shell) {
    if (is_ours(name)) add(facts.environment, name, value, "environment");
  }
  const auto named = shell.find("NCCL_CONF_FILE");  // 2.23 and later
  const auto home = shell.find("HOME");
  if (named != shell.end()) {
    add_file(machine, named->second, facts);
  } else if (home != shell.end()) {
    add_file(machine, home->second + "/.nccl.conf", facts);
  }
  add_file(machine, "/etc/nccl.conf", facts);
}

}  // namespace vernier::doctor
