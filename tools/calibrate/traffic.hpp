// SPDX-License-Identifier: Apache-2.0
//
// The traffic that a calibration is for: it says what to measure, and what a gain is worth. It is
// kept in the header of the recording.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "tools/calibrate/options.hpp"
#include "tools/calibrate/recording.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::calibrate {

// Which communicator was, or will be, measured.
struct Shape {
  int ranks;
  int nodes;
  std::uint32_t element_bytes;
};
[[nodiscard]] Shape shape_of(const Json& header);  // std::runtime_error where it does not say

// Each throws std::runtime_error, which says what is wrong.

// What --from-profile names: a file, or the directory of a job.
[[nodiscard]] workload::Workload read_profiled_traffic(const std::string& path);

// What --model-config makes an engine send on this machine (`machine` of a header).
[[nodiscard]] workload::Workload model_traffic(const Options& options, const Json& machine,
                                               int nodes);

// What the header of a recording keeps; nullopt: it was not for any traffic.
[[nodiscard]] std::optional<workload::Workload> kept_traffic(const Json& header);

// Ranks of the only communicator that the traffic has.
[[nodiscard]] int only_ranks(const workload::Workload& traffic);

// The point at which a call of the traffic is measured; nullopt: of another shape, or not at all.
[[nodiscard]] std::optional<Point> point_of(Collective collective, std::uint64_t nbytes, int ranks,
                                            int nodes, const Shape& shape);

// How often the calls of a point come in a mean decode step, or in all that was counted; what was
// not measured is not there.
struct Calls {
  double captured = 0;
  double eager = 0;
};
[[nodiscard]] std::map<Point, Calls> calls_of(const workload::Workload& traffic,
                                              const Shape& shape);

// What to measure. Never empty: then nothing reaches NCCL, or not on such a communicator.
[[nodiscard]] std::vector<Point> points_of(const workload::Workload& traffic, const Shape& shape);

}  // namespace vernier::calibrate
