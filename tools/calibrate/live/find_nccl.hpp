// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace vernier::calibrate {

struct FoundNccl {
  std::string file;  // to open
  std::string
      how;  // "--nccl", "VLLM_NCCL_SO_PATH", "the loader" or "the Python package nvidia.nccl"
  std::string other;  // a sentence about another library that a deployment may load; or empty
};

// The library that a deployment would load: what was asked for, else as vLLM looks for it. Throws
// MachineError when there is none.
[[nodiscard]] FoundNccl find_nccl(const std::string& asked_for);

}  // namespace vernier::calibrate
