// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/collect.hpp"

#include <charconv>
#include <sstream>

#include "tools/doctor/distance.hpp"

namespace vernier::doctor {
namespace {

constexpr const char* kBlanks = " \t\r\n";

std::string container_of(machine::MachineView& machine) {
  if (machine.text("/.dockerenv").present()) return "docker";
  if (machine.text("/run/.containerenv").present()) return "podman";
  const std::string groups = machine.text("/proc/1/cgroup").value_or("");
  for (const char* const kind : {"kubepods", "docker", "containerd", "lxc"}) {
    if (groups.find(kind) != groups.npos) return kind;
  }
  return {};
}

// The flag that every hypervisor sets on x86, and a DMI vendor elsewhere.
bool is_virtual(machine::MachineView& machine) {
  std::istringstream lines(machine.text("/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("flags")) return (line + " ").find(" hypervisor ") != line.npos;
  }
  const std::string vendor = machine.text("/sys/class/dmi/id/sys_vendor").value_or("");
  return vendor.starts_with("QEMU") || vendor.starts_with("Amazon EC2") ||
         vendor.starts_with("Google");
}

}  // namespace

std::string trimmed(std::string text) {
  const std::size_t end = text.find_last_not_of(kBlanks);
  text.resize(end == text.npos ? 0 : end + 1);
  text.erase(0, std::min(text.size(), text.find_first_not_of(kBlanks)));
  return text;
}

Reading<double> leading_number(const Reading<std::string>& text) {
  if (text.is_unreadable()) return Reading<double>::unreadable(text.why);
  double number = 0;
  const std::string& from = text.value;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), number);
  if (!text.present() || error != std::errc{}) return {};
  return Reading<double>::of(number);
}

Reading<int> leading_int(const Reading<std::string>& text) {
  const Reading<double> number = leading_number(text);
  if (number.is_unreadable()) return Reading<int>::unreadable(number.why);
  // "Unknown" and 255 lanes are what the kernel writes where a link is down.
  if (!number.present() || number.value < -1 || number.value > 1e6) return {};
  return Reading<int>::of(static_cast<int>(number.value));
}

SystemFacts collect_system(machine::MachineView& machine) {
  SystemFacts facts;
  facts.provenance = machine.provenance();
  facts.kernel = machine.text("/proc/sys/kernel/osrelease");
  facts.kernel.value = trimmed(facts.kernel.value);
  facts.is_virtual = is_virtual(machine);
  facts.container = container_of(machine);
  for (const std::string& name : machine.entries("/sys/devices/system/node").value) {
    if (name.starts_with("node") && name.size() > 4) ++facts.numa_nodes;
  }
  facts.interfaces = machine.entries("/sys/class/net").value;
  return facts;
}

Facts collect(machine::MachineView& machine) {
  Facts facts;
  facts.system = collect_system(machine);
  collect_gpus(machine, facts);
  collect_nics(machine, facts);
  find_distances(facts);
  facts.gpudirect = collect_gpudirect(machine, facts);
  collect_environment(machine, facts);
  collect_policy(machine, facts);
  collect_nccl(machine, facts);
  return facts;
}

}  // namespace vernier::doctor
