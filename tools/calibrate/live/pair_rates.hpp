// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace vernier::calibrate {

// What copying from one GPU to another does, by the copy engine: P2P where the two have it, else
// through host memory, as the driver does it by itself.
struct PairRate {
  std::string from;  // PCI address as in sysfs, "0000:18:00.0"
  std::string to;
  double gb_per_s;       // of large copies, the best of a few rounds
  double small_copy_us;  // one of many small copies in a row, their launch included
};

// Every ordered pair of the GPUs that this process may use, one after the other: some milliseconds
// each. Holds kLargeBytes on each GPU meanwhile. Throws MachineError: no driver, no memory left, a
// call that fails.
[[nodiscard]] std::vector<PairRate> measure_pair_rates();

}  // namespace vernier::calibrate
