// SPDX-License-Identifier: Apache-2.0
//
// Any text given as a config.json or as traffic: no crash, no sum that overflows, and what cannot
// be used is said.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tools/common/json_members.hpp"
#include "tools/workload/traffic_format.hpp"

namespace {

using namespace vernier;
using namespace vernier::workload;

void make(const Model& model, int tp, int dp) {
  Deployment deployment;
  deployment.tp = tp;
  deployment.dp = dp;
  deployment.max_num_batched_tokens = std::uint64_t{1} << 20;
  const Workload workload = make_workload(model, deployment);
  for (const Step& step : workload.steps) {
    for (const Call& call : step.calls) {
      if (call.nbytes == 0 || call.nbytes > std::uint64_t{1} << 60) std::abort();
    }
  }
  if (to_json(traffic_of(to_json(workload))) != to_json(workload)) std::abort();
}

template <typename Work>
void said(Work work) {
  try {
    work();
  } catch (const Malformed& problem) {
    if (std::string_view(problem.what()).empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  said([&] {
    const Model model = read_model(text);
    said([&] { make(model, 8, 1); });
    said([&] { make(model, 1, 4096); });
  });
  said([&] {
    const Workload workload = parse_traffic(text);
    (void)to_json(workload).dump();  // throws where text is not UTF-8
    (void)verdict(workload);
  });
  return 0;
}
