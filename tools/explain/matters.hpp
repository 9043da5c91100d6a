// SPDX-License-Identifier: Apache-2.0
//
// "Does NCCL matter here?" The limits are those of tools/workload (route_table.cc); what vLLM said
// at its start, and what NCCL was seen to run, stand above them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/explain/account.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::joblog {

struct Matters {
  std::vector<std::string> facts;  // a sentence each
  std::string answer;              // one sentence
};

// `workload`: of --model-config, made with absent_backends().
[[nodiscard]] Matters does_nccl_matter(const std::optional<workload::Workload>& workload,
                                       const VllmFacts& vllm, const Account& account);

}  // namespace vernier::joblog
