// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "tools/doctor/findings.hpp"

namespace vernier::doctor {
namespace {

using Findings = std::vector<Finding>;

constexpr std::uint64_t kGib = 1ull << 30;

bool has_usable_nic(const Facts& facts) {
  return std::any_of(facts.nics.begin(), facts.nics.end(),
                     [](const Nic& nic) { return nic.usable(); });
}

bool is_geforce(const Facts& facts) {
  return !facts.gpus.empty() && facts.gpus[0].nvml.name.find("GeForce") != std::string::npos;
}

bool wants_gpudirect(const Facts& facts) {
  return !facts.gpus.empty() && has_usable_nic(facts) && !facts.gpudirect.unified_memory &&
         !is_geforce(facts);
}

// Between every pair of GPUs.
bool has_p2p(const Facts& facts) {
  return std::all_of(facts.gpus.begin(), facts.gpus.end(), [&](const GpuFacts& gpu) {
    const auto& peers = gpu.nvml.peers;
    return peers.size() + 1 == facts.gpus.size() &&
           std::all_of(peers.begin(), peers.end(),
                       [](const auto& peer) { return peer.second == 0; });
  });
}

// Whether anything on this machine sends over PCIe from device to device.
bool has_pcie_peers(const Facts& facts) {
  if (wants_gpudirect(facts)) return true;
  return std::any_of(facts.gpus.begin(), facts.gpus.end(), [](const GpuFacts& gpu) {
    return gpu.nvlinks.empty() && std::any_of(gpu.nvml.peers.begin(), gpu.nvml.peers.end(),
                                              [](const auto& peer) { return peer.second == 0; });
  });
}

void judge_gpudirect(const Facts& facts, Findings& findings) {
  const GpuDirectFacts& gdr = facts.gpudirect;
  if (!wants_gpudirect(facts) || gdr.peermem.present() || gdr.dma_buf.value_or(true)) return;
  findings.push_back(
      {"gdr.none", Severity::warning,
       fmt::format("no nvidia_peermem in /proc/modules, and no dma-buf (kernel {}, {} kernel "
                   "module of NVIDIA)",
                   facts.system.kernel.value_or("unknown"),
                   gdr.open_kernel_module.value_or(false) ? "open" : "proprietary"),
       "every message between nodes goes through host memory: more latency, a fraction of the "
       "bandwidth",
       "modprobe nvidia_peermem; or the open kernel module with kernel 5.12 or later"});
}

void judge_acs(const Facts& facts, Findings& findings) {
  if (facts.system.is_virtual || !has_pcie_peers(facts)) return;
  std::set<std::string> bridges;
  for (const GpuFacts& gpu : facts.gpus) bridges.insert(gpu.pci.acs.begin(), gpu.pci.acs.end());
  for (const Nic& nic : facts.nics) bridges.insert(nic.pci.acs.begin(), nic.pci.acs.end());
  if (bridges.empty()) return;
  findings.push_back(
      {"gdr.acs", Severity::warning,
       fmt::format("PCIe bridges with ACS redirection on: {}", fmt::join(bridges, ", ")),
       "traffic from device to device goes up to the root complex instead of "
       "across the switch: slower, and on some boards it hangs",
       "switch ACS off in the firmware's setup, or with setpci after each boot"});
}

void judge_iommu(const Facts& facts, Findings& findings) {
  if (facts.system.is_virtual || !has_pcie_peers(facts)) return;
  std::set<std::string> types;
  for (const GpuFacts& gpu : facts.gpus) types.insert(gpu.pci.iommu.value_or(""));
  for (const Nic& nic : facts.nics) types.insert(nic.pci.iommu.value_or(""));
  for (const std::string& type : types) {
    if (!type.starts_with("DMA")) continue;
    findings.push_back({"gdr.iommu", Severity::warning,
                        fmt::format("the IOMMU translates for GPUs or NICs (group type {})", type),
                        "traffic from device to device goes through the root complex; slower, and "
                        "P2P may hang or corrupt (NCCL user guide, troubleshooting)",
                        "kernel command line: iommu=pt, or the IOMMU off in the firmware's setup"});
    return;
  }
}

void judge_limits(const Facts& facts, Findings& findings) {
  const GpuDirectFacts& gdr = facts.gpudirect;
  if (has_usable_nic(facts) && !gdr.ipc_lock && gdr.memlock_bytes.present() &&
      gdr.memlock_bytes.value < kGib) {
    findings.push_back(
        {"gdr.memlock", Severity::warning,
         fmt::format("this process may lock {} KiB of memory", gdr.memlock_bytes.value / 1024),
         "registering buffers with the NIC fails: NCCL stops with \"Call to "
         "ibv_reg_mr failed\"",
         "docker run --ulimit memlock=-1 (or --cap-add IPC_LOCK); memlock unlimited "
         "in limits.conf or the service's unit (LimitMEMLOCK=infinity)"});
  }
  if (facts.gpus.size() > 1 && gdr.shm_bytes.present() && gdr.shm_bytes.value < kGib) {
    // Where every pair has P2P, NCCL keeps little there.
    findings.push_back({"shm.small", has_p2p(facts) ? Severity::note : Severity::warning,
                        fmt::format("/dev/shm holds {} MiB", gdr.shm_bytes.value >> 20),
                        "NCCL's buffers between processes live there where there is no P2P, and "
                        "an engine's queues: \"No space left on device\", or a bus error",
                        "docker run --ipc=host or --shm-size=16g; Kubernetes: an emptyDir of "
                        "medium Memory at /dev/shm"});
  }
}

void judge_unreadable(const Facts& facts, Findings& findings) {
  std::vector<std::string> parts = facts.unreadable;
  const auto add = [&](const char* what, const auto& reading) {
    if (reading.is_unreadable()) parts.push_back(fmt::format("{}: {}", what, reading.why));
  };
  add("/proc/modules", facts.gpudirect.peermem);
  add("/dev/infiniband", facts.gpudirect.infiniband_files);
  add("/dev/shm", facts.gpudirect.shm_bytes);
  bool acs = false;
  for (const GpuFacts& gpu : facts.gpus) acs = acs || gpu.pci.acs_unreadable;
  if (acs && !facts.system.is_virtual && has_pcie_peers(facts)) {
    parts.emplace_back("ACS of PCIe bridges: only root reads their whole configuration");
  }
  if (parts.empty()) return;
  findings.push_back({"look.unreadable", Severity::note, fmt::format("{}", fmt::join(parts, "; ")),
                      "nothing is concluded about these",
                      "run once as root, or in a container with the host's files, to know"});
}

}  // namespace

void check_gpudirect(const Facts& facts, Findings& findings) {
  judge_gpudirect(facts, findings);
  judge_acs(facts, findings);
  judge_iommu(facts, findings);
  judge_limits(facts, findings);
  judge_unreadable(facts, findings);
}

}  // namespace vernier::doctor
