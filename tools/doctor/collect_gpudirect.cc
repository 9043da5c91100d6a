// SPDX-License-Identifier: Apache-2.0
//
// What lets a NIC reach GPU memory, and what a container takes away.
#include <array>
#include <charconv>
#include <limits>
#include <sstream>

#include "tools/doctor/collect.hpp"

namespace vernier::doctor {
namespace {

// The line of a file that begins with `name`, after the name.
Reading<std::string> line_after(const Reading<std::string>& text, const std::string& name) {
  if (!text.present()) return text;
  std::istringstream lines(text.value);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name)) return Reading<std::string>::of(trimmed(line.substr(name.size())));
  }
  return {};
}

Reading<std::string> find_peermem(machine::MachineView& machine) {
  const Reading<std::string> modules = machine.text("/proc/modules");
  if (!modules.present()) return modules;
  std::istringstream lines(modules.value);
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find(' '));
    if (name == "nvidia_peermem" || name == "nv_peer_mem") return Reading<std::string>::of(name);
  }
  return {};
}

// Kernel 5.12 has dma-buf for RDMA; of the NVIDIA driver only the open kernel module exports it
// (NCCL user guide, NCCL_DMABUF_ENABLE).
std::optional<bool> has_dma_buf(const Reading<std::string>& kernel, const Reading<bool>& open) {
  int major = 0;
  int minor = 0;
  const std::string& text = kernel.value;
  const auto [dot, error] = std::from_chars(text.data(), text.data() + text.size(), major);
  if (error != std::errc{} || dot == text.data() + text.size() || !open.present()) {
    return std::nullopt;
  }
  (void)std::from_chars(dot + 1, text.data() + text.size(), minor);
  return open.value && (major > 5 || (major == 5 && minor >= 12));
}

Reading<std::uint64_t> memlock_of(machine::MachineView& machine) {
  const auto line = line_after(machine.text("/proc/self/limits"), "Max locked memory");
  if (line.is_unreadable()) return Reading<std::uint64_t>::unreadable(line.why);
  if (line.value.starts_with("unlimited")) {
    return Reading<std::uint64_t>::of(std::numeric_limits<std::uint64_t>::max());
  }
  const auto number = leading_number(line);  // the soft limit comes first
  if (!number.present()) return {};
  return Reading<std::uint64_t>::of(static_cast<std::uint64_t>(number.value));
}

bool has_ipc_lock(machine::MachineView& machine) {
  constexpr int kCapIpcLock = 14;
  const auto line = line_after(machine.text("/proc/self/status"), "CapEff:");
  std::uint64_t mask = 0;
  const std::string& digits = line.value;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
  return (mask >> kCapIpcLock & 1) != 0;
}

}  // namespace

GpuDirectFacts collect_gpudirect(machine::MachineView& machine, const Facts& facts) {
  GpuDirectFacts result;
  result.peermem = find_peermem(machine);
  const auto version = machine.text("/proc/driver/nvidia/version");
  if (version.is_unreadable()) {
    result.open_kernel_module = Reading<bool>::unreadable(version.why);
  } else if (version.present()) {
    result.open_kernel_module =
        Reading<bool>::of(version.value.find("Open Kernel Module") != std::string::npos);
  }
  result.dma_buf = has_dma_buf(facts.system.kernel, result.open_kernel_module);
  for (const GpuFacts& gpu : facts.gpus) {
    // NVIDIA's forum, "DGX Spark GPUDirect RDMA" (348787): its memory is that of the system, and
    // neither peermem nor dma-buf works.
    if (gpu.nvml.name.find("GB10") != std::string::npos) result.unified_memory = true;
  }
  result.iommu = !machine.entries("/sys/class/iommu").value.empty();
  result.memlock_bytes = memlock_of(machine);
  result.ipc_lock = has_ipc_lock(machine);
  result.infiniband_files = machine.entries("/dev/infiniband");
  result.shm_bytes = machine.capacity_bytes("/dev/shm");
  return result;
}

}  // namespace vernier::doctor
