// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "tools/doctor/distance.hpp"
#include "tools/doctor/findings.hpp"

namespace vernier::doctor {
namespace {

using Findings = std::vector<Finding>;

constexpr const char* kSockets =
    "between nodes NCCL goes over TCP sockets without a word: 5 to 20 times slower; within one "
    "machine nothing is lost";

// What libibverbs, and so NCCL, gets at.
void judge_access(const Facts& facts, Findings& findings) {
  if (facts.nics.empty()) return;
  const bool any_active = std::any_of(facts.nics.begin(), facts.nics.end(),
                                      [](const Nic& nic) { return nic.active(); });
  const Severity severity = any_active ? Severity::warning : Severity::note;
  if (!facts.verbs_library.present()) {
    findings.push_back(
        {"nic.verbs-missing", severity,
         fmt::format("{} RDMA devices, but libibverbs.so.1 {}", facts.nics.size(),
                     facts.verbs_library.absent() ? std::string("is not there")
                                                  : "refuses: " + facts.verbs_library.why),
         kSockets,
         "install libibverbs1 and the provider (ibverbs-providers) in the "
         "serving image"});
  }
  std::vector<std::string> missing;
  for (const Nic& nic : facts.nics) {
    if (nic.verbs_file_name.empty()) continue;
    if (nic.verbs_file.absent()) missing.push_back(nic.name);
    if (nic.verbs_file.is_unreadable()) {
      findings.push_back(
          {"nic.refused", severity,
           fmt::format("{} of {}: {}", nic.verbs_file_name, nic.name, nic.verbs_file.why), kSockets,
           "docker run --device /dev/infiniband; Kubernetes: request the RDMA "
           "device plugin's resource; on a host: mode 0666 of the file"});
    }
  }
  if (missing.empty()) return;
  findings.push_back({"nic.no-device-file", severity,
                      fmt::format("the kernel has {}, but /dev/infiniband has no file for {}",
                                  fmt::join(missing, ", "), missing.size() == 1 ? "it" : "them"),
                      kSockets,
                      "docker run --device /dev/infiniband; Kubernetes: request the RDMA device "
                      "plugin's resource; on a host: modprobe ib_uverbs"});
}

void judge_ports(const Facts& facts, Findings& findings) {
  std::vector<std::string> down;
  bool any_active = false;
  for (const Nic& nic : facts.nics) {
    any_active = any_active || nic.active();
    for (const Port& port : nic.ports) {
      if (port.active()) continue;
      if (!port.ethernet() && port.phys_state == "LinkUp") {
        findings.push_back({"nic.subnet-manager", Severity::warning,
                            fmt::format("{} port {}: the link is up, the state is {}", nic.name,
                                        port.number, port.state),
                            "an InfiniBand port is of no use until a subnet manager has found it",
                            "start a subnet manager in the fabric (opensm, or the switch's)"});
        continue;
      }
      down.push_back(
          fmt::format("{}:{} {}/{}", nic.name, port.number, port.state, port.phys_state));
    }
  }
  if (down.empty()) return;
  const std::string evidence = fmt::format("{}", fmt::join(down, ", "));
  if (any_active) {
    findings.push_back({"nic.port-down", Severity::note, evidence,
                        "NCCL leaves ports out that are not active",
                        "nothing, if no cable is meant to be there"});
  } else {
    findings.push_back(
        {"nic.all-down", Severity::note, "no RDMA port is active: " + evidence, kSockets,
         "nothing, if this machine works alone; else cable, transceiver, switch port; ip "
         "link set up for RoCE"});
  }
}

// A port is judged by its like: sysfs does not tell without root what a port could do, and a NIC
// of 200 Gb/s is no fault.
void judge_link_rates(const Facts& facts, Findings& findings) {
  std::map<std::string, double> best;
  const auto kind = [](const Nic& nic, const Port& port) {
    return nic.board.value_or("?") + "/" + port.link_layer;
  };
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      if (port.active()) {
        double& rate = best[kind(nic, port)];
        rate = std::max(rate, port.rate_gbps);
      }
    }
  }
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      if (!port.active() || port.rate_gbps >= best[kind(nic, port)]) continue;
      findings.push_back({"nic.rate-differs", Severity::warning,
                          fmt::format("{} port {} runs at {}; others of its kind at {:g} Gb/s",
                                      nic.name, port.number, port.rate, best[kind(nic, port)]),
                          "rings over all NICs are as fast as the slowest",
                          "cable and transceiver of this port; speed setting of its switch port"});
    }
  }
}

// Gb/s of data on a PCIe link: 8b/10b up to 5 GT/s, 128b/130b above.
double pcie_gbps(double gts, int width) { return gts * width * (gts > 5.5 ? 128.0 / 130.0 : 0.8); }

void judge_slots(const Facts& facts, Findings& findings) {
  for (const Nic& nic : facts.nics) {
    const PciDevice& pci = nic.pci;
    if (!pci.speed_gts.present() || !pci.width.present() || !nic.active()) continue;
    double rate = 0;
    for (const Port& port : nic.ports) rate += port.active() ? port.rate_gbps : 0;
    const double now = pcie_gbps(pci.speed_gts.value, pci.width.value);
    const double most = pcie_gbps(pci.speed_max_gts.value_or(pci.speed_gts.value),
                                  pci.width_max.value_or(pci.width.value));
    if (rate <= 0 || now >= rate) continue;
    // What a guest reads of a bus is its host's invention.
    const bool degraded = now < most && !facts.system.is_virtual;
    findings.push_back(
        {degraded ? "nic.pcie-degraded" : "nic.pcie-limits",
         degraded ? Severity::warning : Severity::note,
         fmt::format("{} ({}): {:g} GT/s x{} carries {:.0f} of the {:g} Gb/s of its ports{}",
                     nic.name, pci.address, pci.speed_gts.value, pci.width.value, now, rate,
                     degraded
                         ? fmt::format("; the device can {:g} GT/s x{}",
                                       pci.speed_max_gts.value_or(0), pci.width_max.value_or(0))
                         : ""),
         "the slot, not the network, is the limit",
         degraded ? "reseat the card; a slot with all lanes; firmware of board and NIC"
                  : "use all of its functions together, where one port has several (DGX Spark)"});
  }
}

void judge_gids(const Facts& facts, Findings& findings) {
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      if (!port.active() || !port.ethernet() || port.chosen) continue;
      findings.push_back({"nic.roce-gid", Severity::warning,
                          fmt::format("{} port {} has no RoCE v2 GID ({} GIDs)", nic.name,
                                      port.number, port.gids.size()),
                          "NCCL takes RoCE v1 or fails to connect; v1 is not routed",
                          "give its network device an IP address; in a container use the host's "
                          "network, or move the device into the container's"});
    }
  }
}

void judge_counters(const Facts& facts, Findings& findings) {
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      std::vector<std::string> parts;
      for (const auto& [name, count] : port.counters) {
        parts.push_back(fmt::format("{} {}", name, count));
      }
      if (parts.empty()) continue;
      findings.push_back({"nic.errors", Severity::note,
                          fmt::format("{} port {}, since the driver was loaded: {}", nic.name,
                                      port.number, fmt::join(parts, ", ")),
                          "a few are normal; retransmissions and timeouts that grow during a job "
                          "cost milliseconds each",
                          "look again during a job; where they grow: cable (symbol_error), PFC and "
                          "ECN of NIC and switch (out_of_sequence, np_cnp_sent)"});
    }
  }
}

void judge_nearness(const Facts& facts, Findings& findings) {
  std::vector<std::string> far;
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    if (facts.nearest[i] < 0) continue;
    const auto nic = static_cast<std::size_t>(facts.nearest[i]);
    if (facts.distance[i][nic] != Distance::sys) continue;
    far.push_back(fmt::format("GPU {} to {}", i, facts.nics[nic].name));
  }
  if (far.empty()) return;
  findings.push_back({"nic.far", Severity::note,
                      fmt::format("across NUMA nodes: {}", fmt::join(far, ", ")),
                      "NCCL does not use GPUDirect RDMA there by default, and the traffic of those "
                      "GPUs crosses the sockets' link",
                      "prefer the GPUs of the NIC's socket for a job across nodes"});
}

}  // namespace

void check_nics(const Facts& facts, Findings& findings) {
  judge_access(facts, findings);
  judge_ports(facts, findings);
  judge_link_rates(facts, findings);
  judge_slots(facts, findings);
  judge_gids(facts, findings);
  judge_counters(facts, findings);
  judge_nearness(facts, findings);
}

}  // namespace vernier::doctor
