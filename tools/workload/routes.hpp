// SPDX-License-Identifier: Apache-2.0
//
// Who runs an all-reduce: NCCL, or a kernel of the engine's own. The facts are one table,
// route_table.cc; here is how it is read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/workload/deployment.hpp"

namespace vernier::workload {

inline constexpr std::string_view kNccl = "nccl";
inline constexpr std::string_view kNotKnown = "not known";

inline constexpr int kOtherCapability = 0;

// One row: `backend` takes calls of up to `max_bytes` on these GPUs. Rows stand in the order in
// which an engine asks.
struct Route {
  std::string_view backend;
  Engine engine;  // vllm: vllm-no-custom-ar too, unless `custom`
  Links links;
  int capability;  // 10 x major + minor, or kOtherCapability: none that the backend has a row for
  int ranks;
  std::uint64_t max_bytes;
  bool max_included;
  bool custom;  // what --disable-custom-all-reduce turns off
  bool bfloat16_only;
  std::string_view source;
};

// Of the facts in the table: what was read, and when.
extern const std::string_view kRoutesVersion;
[[nodiscard]] const std::vector<Route>& route_table();

// GPUs of which it is known that no backend has rows of their own for them.
[[nodiscard]] const std::vector<int>& capabilities_without_rows();

// Whether it is known which rows hold for this GPU. Others are treated as those without rows.
[[nodiscard]] bool is_known_capability(int capability);

struct AllReduce {
  Engine engine;
  Links links;
  int capability;
  int ranks;
  int nodes;
  std::uint64_t nbytes;
  bool bfloat16;
  std::span<const std::string> absent_backends{};  // as in Deployment
};

// nullptr: it reaches NCCL.
[[nodiscard]] const Route* find_route(const AllReduce& call);

}  // namespace vernier::workload
