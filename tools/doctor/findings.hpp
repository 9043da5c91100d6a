// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a machine: pure functions of its facts. A healthy machine has no finding
// above a note; tests/machines keeps that true for several.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/doctor/facts.hpp"

namespace vernier::doctor {

enum class Severity {
  note,     // good to know; nothing is wrong
  warning,  // slower than it could be, or not what was meant
  error,    // fails, hangs or corrupts
};
[[nodiscard]] std::string_view name_of(Severity severity);

struct Finding {
  std::string id;  // "gpu.nvlink-down": stable, for scripts
  Severity severity;
  std::string evidence;     // what was seen, with names and values
  std::string consequence;  // what that does to a job
  std::string fix;
  std::string source{};  // of what is claimed, where it is not to be seen on the machine
};

// One check, all of its findings. `ids`: what it may find.
struct Check {
  std::vector<std::string_view> ids;
  void (*judge)(const Facts& facts, std::vector<Finding>& findings);
};
[[nodiscard]] const std::vector<Check>& checks();

// Of all checks, the gravest first.
[[nodiscard]] std::vector<Finding> find_all(const Facts& facts);

// The checks of one subject, a file each.
void check_gpus(const Facts& facts, std::vector<Finding>& findings);
void check_nics(const Facts& facts, std::vector<Finding>& findings);
void check_gpudirect(const Facts& facts, std::vector<Finding>& findings);
void check_nccl(const Facts& facts, std::vector<Finding>& findings);
void check_environment(const Facts& facts, std::vector<Finding>& findings);

}  // namespace vernier::doctor
