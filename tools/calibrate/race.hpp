// SPDX-License-Identifier: Apache-2.0
//
// Which ways of running a call are worth judging: pure functions of what was measured so far, so
// that a search that goes on from a file comes to the same. Fewer of them go into each launch, and
// each is rated by all launches that it was in: one launch's communicators favour now this way, now
// that.
#pragma once

#include <optional>
#include <vector>

#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

// NCCL's own choice over a configuration in the first capture of both; 0 where there is none.
[[nodiscard]] double first_ratio(const Recording& recording, const Point& point,
                                 const Configuration& configuration);

// Who runs in race `round`, from 0 on; the best first. Of a round, all launches before count.
[[nodiscard]] std::vector<Configuration> contenders(const Recording& recording, const Point& point,
                                                    int round);

// Who is to be judged at a point; none where nobody was faster than NCCL's own choice. What costs
// the host more has to gain more. The pick of the size below is preferred where it is about as
// good: fewer, wider rules.
[[nodiscard]] std::optional<Configuration> winner(const Recording& recording, const Point& point,
                                                  const std::optional<Configuration>& below);

}  // namespace vernier::calibrate
