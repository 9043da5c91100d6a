// SPDX-License-Identifier: Apache-2.0
//
// What vLLM (0.10 to 0.32) says of itself at start-up. Pure; nothing in a line is trusted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vernier::joblog {

struct VllmFacts {
  std::string version;  // "0.30.1"; empty, as all texts: not told
  std::string nccl;     // of pynccl
  std::string model;
  int tp = 0;                         // 0: not told
  std::vector<std::string> backends;  // of all-reduces of group tp, as vLLM names them: "PYNCCL"
  std::string custom_disabled;        // why custom all-reduce is off
};

// Whether the line told something; it is now in `facts`, of each kind the first.
bool read_vllm_line(std::string_view line, VllmFacts& facts);

// The backends of tools/workload that vLLM did not list, where it listed any: the list says who is
// absent, and nothing about sizes.
[[nodiscard]] std::vector<std::string> absent_backends(const VllmFacts& facts);

}  // namespace vernier::joblog
