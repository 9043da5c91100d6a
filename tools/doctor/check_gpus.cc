// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "tools/doctor/distance.hpp"
#include "tools/doctor/findings.hpp"

namespace vernier::doctor {
namespace {

using Findings = std::vector<Finding>;

void judge_driver(const Facts& facts, Findings& findings) {
  if (facts.driver.is_unreadable()) {
    findings.push_back({"gpu.driver-refuses", Severity::error,
                        fmt::format("NVML says: {}", facts.driver.why), "no process can use a GPU",
                        "load the NVIDIA driver; after an update reboot, so that module and "
                        "libraries are of one version; in a container install the NVIDIA "
                        "container toolkit of the host"});
  } else if (facts.driver.absent() && facts.has_nvidia_device) {
    findings.push_back({"gpu.no-driver", Severity::error,
                        "an NVIDIA GPU is on the PCI bus, but there is no libnvidia-ml.so.1",
                        "no process here can use a GPU",
                        "install the driver; start a container with --gpus all"});
  } else if (facts.gpus.empty()) {
    findings.push_back({"gpu.none", Severity::note, "no NVIDIA GPU is seen",
                        "everything about GPUs is left out below", "nothing, if that is so"});
  }
}

void judge_models(const Facts& facts, Findings& findings) {
  std::map<std::string, int> models;
  for (const GpuFacts& gpu : facts.gpus) ++models[gpu.nvml.name];
  if (models.size() < 2) return;
  std::vector<std::string> parts;
  for (const auto& [name, count] : models) parts.push_back(fmt::format("{} x {}", count, name));
  findings.push_back({"gpu.mixed", Severity::warning, fmt::format("{}", fmt::join(parts, ", ")),
                      "the slowest GPU sets the pace; NCCL allows LL128 only where all have one "
                      "compute capability (before 2.30.7); a policy is for one model",
                      "give each job GPUs of one model (CUDA_VISIBLE_DEVICES)"});
}

// A link is judged by what the other GPUs of the model have: products differ in how many are wired.
void judge_nvlink(const Facts& facts, Findings& findings) {
  std::map<std::string, int> most;
  const auto links_up = [](const GpuFacts& gpu) {
    int up = 0;
    for (const auto& [other, count] : gpu.nvlinks) up += count;
    return up;
  };
  for (const GpuFacts& gpu : facts.gpus) {
    most[gpu.nvml.name] = std::max(most[gpu.nvml.name], links_up(gpu));
  }
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    const GpuFacts& gpu = facts.gpus[i];
    const int up = links_up(gpu);
    if (up == most[gpu.nvml.name]) continue;
    findings.push_back({"gpu.nvlink-down", Severity::warning,
                        fmt::format("GPU {} ({}) has {} NVLinks up, its like have {}", i,
                                    gpu.nvml.pci, up, most[gpu.nvml.name]),
                        "every ring through this GPU is as slow as its remaining links, or goes "
                        "over PCIe",
                        "nvidia-smi nvlink -s and dmesg (Xid 74) on the host; reset the GPU or "
                        "have the board looked at"});
  }
}

void judge_fabric(const Facts& facts, Findings& findings) {
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    if (facts.gpus[i].waits_for_fabric()) waiting.push_back(i);
  }
  if (waiting.empty()) return;
  const std::string evidence = fmt::format(
      "GPU {}: NVML says that the NVSwitch fabric is not set up", fmt::join(waiting, ", "));
  if (facts.cuda_starts.present()) {
    findings.push_back({"gpu.fabric", Severity::note, evidence + ", yet CUDA starts",
                        "multicast (NVLS) may not be there", "nothing, if NVLS is not expected"});
    return;
  }
  findings.push_back(
      {"gpu.fabric", Severity::error,
       facts.cuda_starts.is_unreadable() ? evidence + "; " + facts.cuda_starts.why : evidence,
       "CUDA does not start (error 802, system not yet initialized)",
       "start nvidia-fabricmanager, of the driver's version, on the host"});
}

void judge_pcie(const Facts& facts, Findings& findings) {
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    const machine::Gpu& gpu = facts.gpus[i].nvml;
    if (gpu.pcie_width.present() && gpu.pcie_width.value < gpu.pcie_width_max.value_or(0)) {
      findings.push_back({"gpu.pcie-width", Severity::warning,
                          fmt::format("GPU {} ({}) has {} of {} PCIe lanes", i, gpu.pci,
                                      gpu.pcie_width.value, gpu.pcie_width_max.value),
                          "what goes over PCIe (host memory, NIC, peers without NVLink) has that "
                          "share of the bandwidth",
                          "reseat the card or riser; look for a slot that shares its lanes, and "
                          "for bifurcation in the firmware's setup"});
    }
    // An idle GPU lowers its generation; in P0 it has none to spare.
    if (gpu.performance_state.present() && gpu.performance_state.value == 0 &&
        gpu.pcie_generation.present() &&
        gpu.pcie_generation.value < gpu.pcie_generation_max.value_or(0)) {
      findings.push_back(
          {"gpu.pcie-generation", Severity::warning,
           fmt::format("GPU {} ({}) runs PCIe generation {} of {} in state P0", i, gpu.pci,
                       gpu.pcie_generation.value, gpu.pcie_generation_max.value),
           "each generation less halves what goes over PCIe",
           "reseat the card or riser; set the slot's speed in the firmware's setup; "
           "dmesg for PCIe errors (AER)"});
    }
  }
}

bool is_geforce(const machine::Gpu& gpu) { return gpu.name.find("GeForce") != std::string::npos; }

// nvmlGpuP2PStatus_t
const char* p2p_text(int status) {
  switch (status) {
    case 1: return "the chipset does not support it";
    case 2: return "the GPU does not support it";
    case 3: return "the way between them does not support it";
    case 4: return "the driver is told not to (RegistryDwords)";
    case 5: return "not supported";
    default: return "unknown";
  }
}

void judge_p2p(const Facts& facts, Findings& findings) {
  std::set<std::string> pairs;
  std::set<std::string> reasons;
  bool geforce = false;
  for (std::size_t a = 0; a < facts.gpus.size(); ++a) {
    for (std::size_t b = a + 1; b < facts.gpus.size(); ++b) {
      const machine::Gpu& gpu = facts.gpus[a].nvml;
      const auto status = gpu.peers.find(facts.gpus[b].nvml.pci);
      if (status == gpu.peers.end() || status->second == 0) continue;
      geforce = geforce || is_geforce(gpu);
      pairs.insert(fmt::format("{}-{}", a, b));
      reasons.insert(p2p_text(status->second));
    }
  }
  if (pairs.empty()) return;
  const std::string evidence =
      fmt::format("no P2P between GPUs {}: {}", fmt::join(pairs, " "), fmt::join(reasons, "; "));
  if (geforce) {
    findings.push_back({"gpu.no-p2p-geforce", Severity::note, evidence,
                        "NCCL goes through host memory, as it must on GeForce with NVIDIA's own "
                        "driver; vLLM then leaves every all-reduce to NCCL",
                        "nothing; calibrate as the machine is"});
    return;
  }
  findings.push_back({"gpu.p2p", Severity::warning, evidence,
                      "between these GPUs NCCL goes through host memory; vLLM's own all-reduce is "
                      "off",
                      "on a host: IOMMU off or in passthrough, ACS off, above-4G decoding and "
                      "resizable BAR on; in a virtual machine: ask for GPUs of one board"});
}

void judge_mig(const Facts& facts, Findings& findings) {
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    if (facts.gpus[i].nvml.mig.value_or(0) == 0) continue;
    findings.push_back({"gpu.mig", Severity::warning, fmt::format("GPU {} is in MIG mode", i),
                        "instances of it have no NVLink and no P2P; NCCL refuses two ranks on one "
                        "GPU before 2.30",
                        "nvidia-smi -mig 0 for tensor-parallel jobs"});
  }
}

// A pair is judged by pairs of its kind: as many NVLinks between them, or PCIe within a socket.
// Between sockets PCIe differs by nature.
void judge_rates(const Facts& facts, Findings& findings) {
  constexpr double kSuspicious = 0.6;  // of the best of the kind
  std::map<int, double> best;          // by NVLinks
  std::vector<std::pair<int, const PairRate*>> judged;
  for (const PairRate& rate : facts.rates) {
    const GpuFacts& from = facts.gpus[rate.from];
    const GpuFacts& to = facts.gpus[rate.to];
    const int links = nvlinks_between(from, to);
    if (links == 0 && from.pci.numa != to.pci.numa) continue;
    best[links] = std::max(best[links], rate.gb_per_s);
    judged.emplace_back(links, &rate);
  }
  std::vector<std::string> slow;
  for (const auto& [links, rate] : judged) {
    if (rate->gb_per_s >= kSuspicious * best[links]) continue;
    slow.push_back(
        fmt::format("{}>{} {:.0f} of {:.0f}", rate->from, rate->to, rate->gb_per_s, best[links]));
  }
  if (slow.empty()) return;
  findings.push_back(
      {"gpu.pair-slow", Severity::warning,
       fmt::format("GB/s from GPU to GPU, of the best pair of the kind: {}", fmt::join(slow, ", ")),
       "rings through such a pair are as slow as it is",
       "look whether something else runs there; else links, lanes and slots of "
       "these GPUs"});
}

void judge_measuring(const Facts& facts, Findings& findings) {
  if (facts.rates_problem.empty()) return;
  findings.push_back({"gpu.not-measured", Severity::warning, "--measure: " + facts.rates_problem,
                      "nothing is known of how fast GPUs copy to each other",
                      "64 MiB and a context on each GPU: once no job runs there"});
}

}  // namespace

void check_gpus(const Facts& facts, Findings& findings) {
  judge_driver(facts, findings);
  judge_models(facts, findings);
  judge_nvlink(facts, findings);
  judge_fabric(facts, findings);
  judge_pcie(facts, findings);
  judge_p2p(facts, findings);
  judge_mig(facts, findings);
  judge_rates(facts, findings);
  judge_measuring(facts, findings);
}

}  // namespace vernier::doctor
