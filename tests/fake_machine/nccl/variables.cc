// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/variables.hpp"

#include <fstream>

#include "tests/contract/nccl_like/api.h"
#include "tests/fake_machine/environment.hpp"

namespace vernier::fake_machine {
namespace {

constexpr std::size_t kSmall = std::size_t{32} * 1024;

bool is_on(const char* name) { return env_text(name) == "1"; }

}  // namespace

bool refuses_communicators() {
  const std::string mode = env_text("NCCL_FAKE_MODE", "usual");
  const std::string broken_file = env_text("FAKE_NCCL_BROKEN_FILE");
  if (!broken_file.empty()) {
    if (mode == "breaks") std::ofstream(broken_file) << "broken";
    if (std::ifstream(broken_file)) return true;
  }
  return mode != "usual" && mode != "no-allgather";
}

bool refuses_allgather() { return env_text("NCCL_FAKE_MODE") == "no-allgather"; }

bool has_faults() { return !is_on("NCCL_FAKE_SOUND"); }

std::size_t more_bytes() {
  return static_cast<std::size_t>(env_number("NCCL_FAKE_MIB", 0)) * 1024 * 1024;
}

double time_factor(std::size_t total_bytes, int protocol) {
  const bool small = total_bytes <= kSmall;
  double factor = 1;
  if (is_on("NCCL_FAKE_FAST")) factor *= 0.8;
  if (is_on("NCCL_FAKE_TRADE")) factor *= small ? 0.6 : 1.3;
  if (is_on("NCCL_FAKE_LL") && protocol == NCCL_PROTO_LL) factor *= small ? 0.6 : 3;
  return factor;
}

}  // namespace vernier::fake_machine
