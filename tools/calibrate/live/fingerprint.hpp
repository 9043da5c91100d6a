// SPDX-License-Identifier: Apache-2.0
//
// What measurements were taken on, for the header of a recording.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/common/output.hpp"

namespace vernier::calibrate {

[[nodiscard]] int count_gpus();

// Facts that decide whether two recordings are of the same machine: GPU, number of ranks' GPUs,
// driver, links, P2P and NVLS state. Throws MachineError without a driver.
[[nodiscard]] Json describe_machine(int gpus);

// Clocks of the first GPU's multiprocessors and memory, now; 0 without NVML.
[[nodiscard]] std::pair<int, int> clocks_mhz();

// Variables that NCCL and the CUDA driver read, as they are set here.
[[nodiscard]] Json describe_environment();

// Who else uses this GPU; nullopt where nobody is seen.
[[nodiscard]] std::optional<std::string> busy_gpu(int ordinal);
// One line for each of the first `gpus` that somebody else is using.
[[nodiscard]] std::vector<std::string> busy_gpus(int gpus);

struct GpuFacts {
  std::string name;
  std::string bus_id;
  std::string driver;  // version; "unknown" without NVML
};
[[nodiscard]] GpuFacts describe_gpu(int ordinal);

}  // namespace vernier::calibrate
