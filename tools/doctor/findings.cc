// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/findings.hpp"

#include <algorithm>
#include <array>

#include "tools/doctor/environment_lints.hpp"

namespace vernier::doctor {
namespace {

std::vector<std::string_view> environment_ids() {
  std::vector<std::string_view> ids = {"env.unread",         "env.hidden",
                                       "env.conf-file",      "env.file-missing",
                                       "env.policy-invalid", "env.policy-demands"};
  for (const EnvironmentLint& lint : environment_lints()) ids.push_back(lint.id);
  return ids;
}

}  // namespace

std::string_view name_of(Severity severity) {
  constexpr std::array<std::string_view, 3> kNames = {"note", "warning", "error"};
  return kNames[static_cast<std::size_t>(severity)];
}

const std::vector<Check>& checks() {
  static const std::vector<Check> all = {
      {{"gpu.none", "gpu.no-driver", "gpu.driver-refuses", "gpu.mixed", "gpu.nvlink-down",
        "gpu.fabric", "gpu.pcie-width", "gpu.pcie-generation", "gpu.p2p", "gpu.no-p2p-geforce",
        "gpu.mig", "gpu.pair-slow", "gpu.not-measured"},
       check_gpus},
      {{"nic.verbs-missing", "nic.no-device-file", "nic.refused", "nic.subnet-manager",
        "nic.all-down", "nic.port-down", "nic.rate-differs", "nic.pcie-degraded", "nic.pcie-limits",
        "nic.roce-gid", "nic.errors", "nic.far"},
       check_nics},
      {{"gdr.none", "gdr.acs", "gdr.iommu", "gdr.memlock", "shm.small", "look.unreadable"},
       check_gpudirect},
      {{"nccl.none", "nccl.missing", "nccl.unreadable", "nccl.two-images", "nccl.other-version",
        "nccl.plugin-not-found", "nccl.plugin-not-library", "nccl.plugin-not-known",
        "nccl.plugin-unasked"},
       check_nccl},
      {environment_ids(), check_environment},
  };
  return all;
}

std::vector<Finding> find_all(const Facts& facts) {
  std::vector<Finding> findings;
  for (const Check& check : checks()) check.judge(facts, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return findings;
}

}  // namespace vernier::doctor
