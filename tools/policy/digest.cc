// SPDX-License-Identifier: Apache-2.0
//
// vernier policy digest: the name of what a policy decides.
#include "tools/common/output.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/policy_file.hpp"

namespace vernier {

ExitCode print_digest(const FileOptions& options) {
  const PolicyFile file = need_policy_file(options.file, options.json);
  if (!file.parsed.policy) return ExitCode::could_not_look;
  const std::string text = digest(*file.parsed.policy);
  if (options.json) {
    print_json({{"file", file.origin}, {"ok", true}, {"digest", text}});
  } else {
    print_result(text);
  }
  return ExitCode::fine;
}

}  // namespace vernier
