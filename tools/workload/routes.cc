// SPDX-License-Identifier: Apache-2.0
#include "tools/workload/routes.hpp"

#include <algorithm>

namespace vernier::workload {
namespace {

constexpr std::uint64_t kCustomAlignment = 16;  // vLLM, custom_all_reduce.py: bytes % 16 == 0

bool is_asked(const Route& route, Engine engine) {
  if (engine == Engine::vllm_no_custom_ar) return route.engine == Engine::vllm && !route.custom;
  return route.engine == engine;
}

// A row for other GPUs holds where the backend has none for this one.
bool covers_gpu(const Route& route, int capability) {
  if (route.capability != kOtherCapability) return route.capability == capability;
  return std::none_of(route_table().begin(), route_table().end(), [&](const Route& other) {
    return other.backend == route.backend && other.links == route.links &&
           other.capability == capability;
  });
}

}  // namespace

bool is_known_capability(int capability) {
  const std::vector<int>& without = capabilities_without_rows();
  return std::find(without.begin(), without.end(), capability) != without.end() ||
         std::any_of(route_table().begin(), route_table().end(),
                     [&](const Route& route) { return route.capability == capability; });
}

const Route* find_route(const AllReduce& call) {
  if (call.nodes > 1) return nullptr;
  const auto found =
      std::find_if(route_table().begin(), route_table().end(), [&](const Route& route) {
        return is_asked(route, call.engine) && route.links == call.links &&
               route.ranks == call.ranks && covers_gpu(route, call.capability) &&
               (call.bfloat16 || !route.bfloat16_only) &&
               std::find(call.absent_backends.begin(), call.absent_backends.end(), route.backend) ==
                   call.absent_backends.end() &&
               (!route.custom || call.nbytes % kCustomAlignment == 0) &&
               (call.nbytes < route.max_bytes ||
                (route.max_included && call.nbytes == route.max_bytes));
      });
  return found == route_table().end() ? nullptr : &*found;
}

}  // namespace vernier::workload
