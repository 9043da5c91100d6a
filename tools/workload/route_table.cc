// SPDX-License-Identifier: Apache-2.0
//
// Which all-reduces an engine keeps from NCCL. Data only: each row names what it was read from.
// A newer engine needs a newer table; kRoutesVersion is printed with every result.
//
// Only the group that vLLM calls `tp` has these backends, and only within one node. Limits are
// those of engines as they come: other settings (VLLM_ALLREDUCE_USE_FLASHINFER,
// VLLM_ALLREDUCE_USE_SYMM_MEM, VLLM_USE_NCCL_SYMM_MEM) are not in the table.
#include <limits>

#include "tools/workload/routes.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::workload {
namespace {

constexpr std::uint64_t kAnySize = std::numeric_limits<std::uint64_t>::max();

constexpr std::string_view kFlashInferSource =
    "vLLM 0.30 to 0.32, FI_ALLREDUCE_FUSION_MAX_SIZE_MB (10.3: as of PR 53318); on by default "
    "since "
    "PR 52998";
constexpr std::string_view kCustomSource =
    "vLLM 0.30 to 0.32, custom_all_reduce.py: 8 MiB, or less by its table beside torch symmetric "
    "memory";
constexpr std::string_view kSymmetricSource =
    "vLLM 0.30 to 0.32, all_reduce_utils.py, SYMM_MEM_ALL_REDUCE_MAX_SIZES; needs multicast";
constexpr std::string_view kSglangSource =
    "SGLang has kernels of its own; which run these, and up to which sizes, was not read";

constexpr Route flashinfer(int capability, int ranks, std::uint64_t max_bytes) {
  return {"flashinfer", Engine::vllm, Links::nvlink, capability, ranks,
          max_bytes,    true,         false,         true,       kFlashInferSource};
}
constexpr Route custom(int capability, int ranks, std::uint64_t max_bytes,
                       Links links = Links::nvlink) {
  return {"custom all-reduce", Engine::vllm, links, capability, ranks,
          max_bytes,           false,        true,  false,      kCustomSource};
}
constexpr Route symmetric(int capability, int ranks, std::uint64_t max_bytes) {
  return {"torch symmetric memory",
          Engine::vllm,
          Links::nvlink,
          capability,
          ranks,
          max_bytes,
          false,
          false,
          true,
          kSymmetricSource};
}
constexpr Route sglang(int ranks, Links links = Links::nvlink) {
  return {kNotKnown, Engine::sglang, links, kOtherCapability, ranks, kAnySize,
          true,      false,          false, kSglangSource};
}

}  // namespace

const std::string_view kRoutesVersion = "2026-11-21";

// A100, A10, RTX A6000; 4090, L40S; RTX PRO 6000, GB10: vLLM 0.30 to 0.32 lists none of them.
const std::vector<int>& capabilities_without_rows() {
  static const std::vector<int> capabilities = {80, 86, 89, 120, 121};
  return capabilities;
}

const std::vector<Route>& route_table() {
  static const std::vector<Route> table = {
      // H100, H200
      flashinfer(90, 2, 64 * kMib),
      flashinfer(90, 4, 2 * kMib),
      flashinfer(90, 8, 512 * kKib),
      // B200, B300
      flashinfer(100, 2, 64 * kMib),
      flashinfer(100, 4, 32 * kMib),
      flashinfer(100, 8, 1 * kMib),
      flashinfer(100, 16, 64 * kMib),
      flashinfer(103, 2, 64 * kMib),
      flashinfer(103, 4, 80 * kMib),
      flashinfer(103, 8, 64 * kMib),
      flashinfer(103, 16, 8 * kMib),
      flashinfer(107, 2, 64 * kMib),
      flashinfer(107, 4, 64 * kMib),
      flashinfer(107, 8, 2 * kMib),

      // More than two ranks: NVLink between all pairs only.
      custom(90, 2, 8 * kMib),
      custom(90, 4, 8 * kMib),
      custom(90, 6, 512 * kKib),
      custom(90, 8, 256 * kKib),
      custom(100, 2, 2 * kMib),
      custom(100, 4, 2 * kMib),
      custom(100, 6, 1 * kMib),
      custom(100, 8, 1 * kMib),
      custom(103, 2, 4 * kMib),
      custom(103, 4, 4 * kMib),
      custom(103, 6, 8 * kMib),
      custom(103, 8, 4 * kMib),
      custom(kOtherCapability, 2, 8 * kMib),
      custom(kOtherCapability, 4, 8 * kMib),
      custom(kOtherCapability, 6, 8 * kMib),
      custom(kOtherCapability, 8, 8 * kMib),
      custom(kOtherCapability, 2, 8 * kMib, Links::pcie),

      symmetric(90, 2, 64 * kMib),
      symmetric(90, 4, 32 * kMib),
      symmetric(90, 6, 64 * kMib),
      symmetric(90, 8, 64 * kMib),
      symmetric(100, 2, 8 * kMib),
      symmetric(100, 4, 32 * kMib),
      symmetric(100, 6, 128 * kMib),
      symmetric(100, 8, 128 * kMib),
      symmetric(103, 2, 4 * kMib),
      symmetric(103, 4, 32 * kMib),
      symmetric(103, 6, 32 * kMib),
      symmetric(103, 8, 64 * kMib),

      sglang(2),
      sglang(4),
      sglang(6),
      sglang(8),
      sglang(2, Links::pcie),
  };
  return table;
}

}  // namespace vernier::workload
