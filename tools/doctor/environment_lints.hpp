// SPDX-License-Identifier: Apache-2.0
//
// What is known of NCCL's variables, and of what blog posts say of them. The knowledge is one
// table, environment_lints.cc; each row names where it is from, and carries one input that it must
// find and one that it must not, which is its test.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/doctor/findings.hpp"

namespace vernier::doctor {

struct EnvironmentLint {
  std::string_view id;        // "env.algo-invalid"
  std::string_view variable;  // that it looks at
  std::string_view nccl;      // releases, as in a policy; empty: any
  Severity severity;
  // What is wrong with the value on this machine, in a few words; empty: nothing.
  std::string (*judge)(const std::string& value, const Facts& facts);
  std::string_view consequence;
  std::string_view fix;
  std::string_view source;
  // For its test: values on a machine of tests/machines. `with`: one more variable, NAME=VALUE,
  // for the bad one.
  std::string_view bad;
  std::string_view good;  // empty: not set
  std::string_view machine;
  std::string_view with;
};

// Of the facts in the table: when they were last gone through.
extern const std::string_view kEnvironmentLintsVersion;
[[nodiscard]] const std::vector<EnvironmentLint>& environment_lints();

// The findings of one row.
void apply(const EnvironmentLint& lint, const Facts& facts, std::vector<Finding>& findings);

}  // namespace vernier::doctor
