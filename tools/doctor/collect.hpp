// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/doctor/facts.hpp"

namespace vernier::doctor {

// All facts of a machine. Asks no question that changes anything.
[[nodiscard]] Facts collect(machine::MachineView& machine);

// The parts, one file each.
[[nodiscard]] SystemFacts collect_system(machine::MachineView& machine);
void collect_gpus(machine::MachineView& machine, Facts& facts);
void collect_nics(machine::MachineView& machine, Facts& facts);
[[nodiscard]] PciDevice collect_pci(machine::MachineView& machine, const std::string& address);
[[nodiscard]] GpuDirectFacts collect_gpudirect(machine::MachineView& machine, const Facts& facts);
void collect_environment(machine::MachineView& machine, Facts& facts);
// These need facts.environment.
void collect_policy(machine::MachineView& machine, Facts& facts);
void collect_nccl(machine::MachineView& machine, Facts& facts);

// Number at the begin of a text such as "32.0 GT/s PCIe"; absent stays absent.
[[nodiscard]] Reading<double> leading_number(const Reading<std::string>& text);
[[nodiscard]] Reading<int> leading_int(const Reading<std::string>& text);
// Without blanks and line ends around it.
[[nodiscard]] std::string trimmed(std::string text);

}  // namespace vernier::doctor
