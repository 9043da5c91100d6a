// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "tools/bench/bench.hpp"
#include "tools/calibrate/fit.hpp"

namespace vernier::bench {
namespace {

const std::vector<double>& captures_us(const calibrate::LaunchPairs& launch, int arm) {
  return arm == 0 ? launch.reference_us : launch.candidate_us;
}

Times times_of(const Samples& samples, int arm) {
  std::vector<double> all_captures_us;
  for (const calibrate::LaunchPairs& launch : samples.launches) {
    const auto& us = captures_us(launch, arm);
    all_captures_us.insert(all_captures_us.end(), us.begin(), us.end());
  }
  std::vector<double> all = samples.replays_us[arm];
  std::sort(all.begin(), all.end());
  const auto last = static_cast<double>(all.size() - 1);
  return {calibrate::median(std::move(all_captures_us)),
          all[static_cast<std::size_t>(std::ceil(0.99 * last))]};
}

void judge(Row& row) {
  // Where both run the same, what differs is noise.
  if (row.differs && row.ratio.high95 < calibrate::kRegression) row.verdict = Verdict::regression;
  if (row.differs && row.ratio.low95 > 1) row.verdict = Verdict::faster;
}

}  // namespace

void compare(Row& row, const Samples& samples) {
  row.own = times_of(samples, 0);
  row.tuned = times_of(samples, 1);
  row.ratio = calibrate::ratio_interval(samples.launches);
  judge(row);
}

void compare(Row& row, const Samples& base, const Samples& other, int arm) {
  row.own = times_of(base, 0);
  row.tuned = times_of(other, arm);
  std::vector<calibrate::LaunchPairs> launches;
  for (std::size_t i = 0; i < base.launches.size() && i < other.launches.size(); ++i) {
    launches.push_back({{calibrate::median(captures_us(base.launches[i], 0))},
                        {calibrate::median(captures_us(other.launches[i], arm))}});
  }
  row.ratio = calibrate::ratio_interval(launches);
  row.differs = true;
  judge(row);
}

}  // namespace vernier::bench
