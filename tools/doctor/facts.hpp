// SPDX-License-Identifier: Apache-2.0
//
// What `vernier doctor` knows of a machine: facts, no judgement. Collected once from a
// MachineView (collect.hpp); findings (findings.hpp) are functions of this alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/machine/machine_view.hpp"
#include "vernier/policy.hpp"

namespace vernier::doctor {

using machine::Reading;

// What is taken where no library tells its version: the newest that is known here.
inline constexpr int kNewestNccl = 23206;

// ---- PCIe

struct PciDevice {
  std::string address;             // "0000:18:00.0"; empty: not a PCI device
  std::vector<std::string> chain;  // "pci0000:15", then each bridge down to the device itself
  Reading<int> numa;               // -1: the firmware does not say
  Reading<double> speed_gts;       // GT/s a lane, now
  Reading<double> speed_max_gts;   // of device and slot together
  Reading<int> width;
  Reading<int> width_max;        // of device and slot together
  Reading<std::string> iommu;    // type of its group: "identity", "DMA", "DMA-FQ"; absent: no IOMMU
  std::vector<std::string> acs;  // bridges above it that redirect peer traffic
  bool acs_unreadable = false;   // for some bridge: it takes root
};

// As nvidia-smi and NCCL name the way between two devices, nearest first.
enum class Distance { pix, pxb, phb, node, sys, unknown };

// ---- devices

struct GpuFacts {
  [[nodiscard]] bool waits_for_fabric() const {
    constexpr int kNone = 0;
    constexpr int kDone = 3;
    return nvml.fabric_state.present() && nvml.fabric_state.value != kNone &&
           nvml.fabric_state.value != kDone;
  }
  machine::Gpu nvml;
  PciDevice pci;
  // Links that are up, by what is at the other end: its PCI address, "NVSwitch" or "?".
  std::map<std::string, int> nvlinks;
};

struct Gid {
  int index;
  std::string gid;
  std::string type;       // "RoCE v2", "IB/RoCE v1"
  std::string interface;  // network device, or empty
  [[nodiscard]] bool is_ipv4() const { return gid.starts_with("0000:0000:0000:0000:0000:ffff:"); }
};

struct Port {
  int number;
  std::string state;                              // "ACTIVE"
  std::string phys_state;                         // "LinkUp"
  std::string link_layer;                         // "InfiniBand", "Ethernet"
  double rate_gbps;                               // 0: unknown
  std::string rate;                               // "400 Gb/sec (4X NDR)"
  std::vector<Gid> gids;                          // entries in use
  std::optional<Gid> chosen;                      // what NCCL 2.21 and later take on RoCE
  std::map<std::string, std::uint64_t> counters;  // errors and congestion that are not zero
  Reading<bool> counters_readable;
  [[nodiscard]] bool active() const { return state == "ACTIVE"; }
  [[nodiscard]] bool ethernet() const { return link_layer == "Ethernet"; }
};

struct Nic {
  std::string name;  // "mlx5_0"
  PciDevice pci;
  Reading<std::string> firmware;
  Reading<std::string> board;       // board_id: the product
  Reading<std::string> verbs_file;  // "/dev/infiniband/uverbs0", where this user can open it
  std::string verbs_file_name;
  Reading<machine::VerbsDevice> verbs;
  std::vector<Port> ports;
  [[nodiscard]] bool active() const;
  // Active, and this user can open it.
  [[nodiscard]] bool usable() const { return active() && verbs_file.present(); }
};

// ---- the rest

struct SystemFacts {
  std::string provenance;  // empty: this machine
  Reading<std::string> kernel;
  bool is_virtual = false;
  std::string container;                // "docker", ...; empty: none seen
  int numa_nodes = 0;                   // 0: unknown
  std::vector<std::string> interfaces;  // network interfaces
};

struct GpuDirectFacts {
  Reading<std::string> peermem;      // module name
  Reading<bool> open_kernel_module;  // of the NVIDIA driver
  std::optional<bool> dma_buf;       // kernel >= 5.12 and open module
  bool unified_memory = false;       // GB10: there is nothing to reach directly
  bool iommu = false;
  Reading<std::uint64_t> memlock_bytes;  // of this process; max: unlimited
  bool ipc_lock = false;                 // CAP_IPC_LOCK
  Reading<std::vector<std::string>> infiniband_files;
  Reading<std::uint64_t> shm_bytes;
};

// A plugin as one NCCL would load it.
struct PluginChoice {
  std::string kind;                // "tuner", "profiler", "net"
  std::string asked;               // value of the variable; empty: not set
  bool off = false;                // "none"
  bool built_in = false;           // STATIC_PLUGIN: from the executable
  std::vector<std::string> tried;  // file names, in NCCL's order
  std::string file;                // what is found; empty: none
  bool from_net_plugin = false;
  Reading<machine::SharedObject> content;
  std::string symbol;  // the one this NCCL takes; empty: it knows none of the file's
};

struct NcclLibrary {
  std::string file;
  std::vector<std::string> found_by;  // "VLLM_NCCL_SO_PATH", "LD_PRELOAD", "loader", "Python ..."
  Reading<machine::SharedObject> content;
  std::optional<int> version;  // 22809
  PluginChoice tuner;
  PluginChoice profiler;
  PluginChoice net;
};

struct Setting {
  std::string name;
  std::string value;
  std::string source;               // "shell", or the file
  std::vector<std::string> hidden;  // sources whose value lost: "FILE: VALUE"
};

// What was measured from one GPU to another (--measure), by their indexes.
struct PairRate {
  std::size_t from;
  std::size_t to;
  double gb_per_s;
  double small_copy_us;
};

struct Facts {
  SystemFacts system;
  Reading<std::string> driver;     // absent: no NVML; unreadable: it refuses
  Reading<bool> cuda_starts;       // asked only where the fabric is said not to be set up
  bool has_nvidia_device = false;  // on the PCI bus or in /dev
  std::vector<GpuFacts> gpus;
  Reading<bool> verbs_library;
  std::vector<Nic> nics;
  std::vector<std::vector<Distance>> distance;  // [gpu][nic]
  std::vector<int> nearest;                     // [gpu]: index of a nic, -1: none is active
  std::vector<PairRate> rates;                  // empty: not measured
  std::string rates_problem;                    // why not, where it was asked for
  GpuDirectFacts gpudirect;
  bool sharp_library = false;
  std::vector<NcclLibrary> nccl;  // what a process would load first is first
  // Of the first that tells one.
  [[nodiscard]] std::optional<int> nccl_version() const;
  std::map<std::string, Setting> environment;  // NCCL_* and VLLM_*, as NCCL sees them
  std::map<std::string, std::string>
      missing_files;  // variable: the file it names, which is not there
  // Of NCCL_VERNIER_POLICY; neither is set where there is none, or its file is missing.
  std::optional<Policy> policy;
  std::string policy_problem;  // why there is none to be had
  // Whether the policy's rules are inert without this value.
  [[nodiscard]] bool policy_demands(const std::string& name, const std::string& value) const;
  std::vector<std::string> unreadable;  // what could not be looked at, and why
};

}  // namespace vernier::doctor
