// SPDX-License-Identifier: Apache-2.0
//
// vernier profile suggest: which calls are worth calibrating, by how often they come.
#include "tools/common/output.hpp"
#include "tools/profile/commands.hpp"
#include "tools/profile/touchable_sizes.hpp"
#include "tools/workload/traffic_format.hpp"

namespace vernier::profile {

ExitCode suggest_sizes(const SuggestOptions& options) {
  const auto loaded = load_job(options.directory);
  if (!loaded) return ExitCode::could_not_look;
  print_json(workload::to_json(touchable_sizes(loaded->traffic)));
  return loaded->whole ? ExitCode::fine : ExitCode::findings;
}

}  // namespace vernier::profile
