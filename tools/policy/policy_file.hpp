// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "vernier/policy.hpp"

namespace vernier {

// A policy as named on the command line: a path, "-", or an inline: value.
struct PolicyFile {
  std::string origin;  // for messages
  bool readable;       // false: the one error says why not
  ParsedPolicy parsed;
};

[[nodiscard]] PolicyFile read_policy_file(const std::string& argument);

// As read_policy_file(), for commands that can do nothing with a broken policy: reports the errors
// and returns without a policy. The command then exits with could_not_look.
[[nodiscard]] PolicyFile need_policy_file(const std::string& argument, bool json);

}  // namespace vernier
