// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/common/output.hpp"
#include "tools/machine/machine_view.hpp"

namespace vernier::machine {

// Passes every question on to `machine` and keeps the answers, so that a recording holds exactly
// what was looked at. Of the environment it keeps NCCL's variables and those that name libraries.
class MachineRecorder final : public MachineView {
 public:
  explicit MachineRecorder(MachineView& machine) : machine_(machine) {}

  // The content of machine.json, so far; `name` says what was recorded.
  [[nodiscard]] Json document(const std::string& name) const;

  std::string provenance() const override { return machine_.provenance(); }
  Reading<std::string> text(const std::string& path) override;
  Reading<std::vector<std::string>> entries(const std::string& path) override;
  Reading<std::string> real_path(const std::string& path) override;
  Reading<bool> opens(const std::string& path) override;
  Reading<std::uint64_t> capacity_bytes(const std::string& path) override;
  Reading<SharedObject> shared_object(const std::string& path) override;
  Reading<std::string> in_loader_cache(const std::string& name) override;
  Reading<std::string> python_package(const std::string& name) override;
  Environment environment() override;
  Reading<NvmlAnswers> nvml() override;
  Reading<VerbsAnswers> verbs() override;
  Reading<bool> cuda_starts() override;

 private:
  MachineView& machine_;
  Json answers_ = Json::object();
};

}  // namespace vernier::machine
