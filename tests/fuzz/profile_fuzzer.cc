// SPDX-License-Identifier: Apache-2.0
//
// Any text given as a profile or a tuner's log: no crash, and what cannot be used is said.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tools/common/json_members.hpp"
#include "tools/profile/traffic.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vernier;
  using namespace vernier::profile;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Job job;
  try {
    job.profiles.push_back(read_profile("f", text, job.problems));
  } catch (const Malformed& problem) {
    if (std::string_view(problem.what()).empty()) std::abort();
  }
  try {
    const RawFile raw = read_raw("r", text, job.problems);
    for (const RawKernel& kernel : raw.kernels) {
      if (kernel.kind >= raw.kinds.size() || kernel.stop_ns < kernel.start_ns) std::abort();
    }
  } catch (const Malformed& problem) {
    if (std::string_view(problem.what()).empty()) std::abort();
  }
  job.tuner_decisions = read_tuner_decisions("t", text, job.problems);
  std::vector<std::string> problems;
  const Traffic traffic = gather_traffic(job, "/nowhere", problems);
  for (const Row& row : traffic.rows) {
    if (row.calls.least > row.calls.most || row.processes < 1) std::abort();
  }
  return 0;
}
