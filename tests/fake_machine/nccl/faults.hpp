// SPDX-License-Identifier: Apache-2.0
//
// FAKE_NCCL_FAULT: "KIND:collective:algorithm/protocol[:min_bytes[:max_bytes]]", several separated
// by commas. "default" for algorithm/protocol is what NCCL would choose without a tuner. Bytes are
// totals, both ends included.
#pragma once

#include <string>
#include <vector>

#include "tests/fake_machine/nccl/call.hpp"
#include "vernier/names.hpp"

namespace vernier::fake_machine {

enum class FaultKind { none, wrong, unwritten, hang, crash, error };

// FAKE_NCCL_WIRE and FAKE_NCCL_WINDOWS, of send/receive and of registering: "hang", "crash" or
// "error" (what they return); of windows also "none", where `made` stays false.
[[nodiscard]] ncclResult_t wire_behaviour();
[[nodiscard]] ncclResult_t windows_behaviour(bool& made);

class Faults {
 public:
  // Ends the process where `text` is not of that form: a test with a typing error must not pass.
  explicit Faults(const std::string& text);

  [[nodiscard]] FaultKind find(Collective collective, std::size_t total_bytes, Choice choice,
                               bool is_default) const;

 private:
  struct Fault {
    FaultKind kind;
    Collective collective;
    bool at_default;
    Choice choice;  // where not at_default
    std::size_t min_bytes;
    std::size_t max_bytes;
  };
  static Fault parse(const std::string& text);

  std::vector<Fault> faults_;
};

}  // namespace vernier::fake_machine
