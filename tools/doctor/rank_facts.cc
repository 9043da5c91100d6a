// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/rank_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "tools/calibrate/live/roll_call.hpp"
#include "tools/doctor/report.hpp"
#include "tools/policy/policy_file.hpp"

namespace vernier::doctor {
namespace {

constexpr const char* kPolicyVariable = "NCCL_VERNIER_POLICY";

// "8 x NVIDIA H200"; several by commas.
std::string counted(const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [what, count] : counts) {
    text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, what);
  }
  return text.empty() ? "none" : text;
}

std::string gpus_text(const Facts& facts) {
  std::map<std::string, int> counts;
  for (const GpuFacts& gpu : facts.gpus) ++counts[gpu.nvml.name];
  return counted(counts);
}

std::string nvlinks_text(const Facts& facts) {
  std::map<std::string, int> counts;
  for (const GpuFacts& gpu : facts.gpus) {
    int links = 0;
    for (const auto& [end, count] : gpu.nvlinks) links += count;
    ++counts[fmt::format("{} up", links)];
  }
  return counted(counts);
}

std::string nics_text(const Facts& facts) {
  std::map<std::string, int> counts;
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      ++counts[fmt::format("{} {} {}", port.link_layer, port.rate, port.state)];
    }
  }
  return counted(counts);
}

std::string gpudirect_text(const GpuDirectFacts& facts) {
  if (facts.peermem.present()) return facts.peermem.value;
  return facts.dma_buf.value_or(false) ? "dma-buf" : "none";
}

std::string plugin_text(const PluginChoice& plugin) {
  if (plugin.off) return "none";
  if (plugin.built_in) return "STATIC_PLUGIN";
  if (plugin.file.empty()) {
    return plugin.asked.empty() ? "none" : fmt::format("{}: not found", plugin.asked);
  }
  return fmt::format("{} ({})", std::filesystem::path(plugin.file).filename().string(),
                     calibrate::short_digest(plugin.file));
}

std::string policy_text(const std::string& value) {
  const PolicyFile file = read_policy_file(value);
  if (file.parsed.policy) return digest(*file.parsed.policy);
  return file.readable ? "not a policy" : "cannot be read";
}

// Which host a task pretends to be, where control traffic meets, where logs go; and the policy's
// path, of which the digest counts.
bool may_differ(const std::string& name) {
  return name == kPolicyVariable || name == "NCCL_HOSTID" || name == "NCCL_COMM_ID" ||
         name.starts_with("NCCL_DEBUG") || name.starts_with("NCCL_VERNIER_LOG");
}

}  // namespace

Json rank_facts(const Facts& facts) {
  Json all{{"vernier", VERNIER_VERSION},
           {"kernel", shown(facts.system.kernel, facts.system.kernel.value, "?")},
           {"container", facts.system.container.empty() ? "none" : facts.system.container},
           {"driver", shown(facts.driver, facts.driver.value, "none")},
           {"GPUs", gpus_text(facts)},
           {"NVLinks", nvlinks_text(facts)},
           {"NICs", nics_text(facts)},
           {"GPUDirect RDMA", gpudirect_text(facts.gpudirect)}};
  if (!facts.nccl.empty()) {
    const NcclLibrary& first = facts.nccl.front();
    all["NCCL"] =
        first.content.value.nccl_version.empty() ? "not known" : first.content.value.nccl_version;
    all["NCCL library"] = first.file;
    all["tuner plugin"] = plugin_text(first.tuner);
    all["profiler plugin"] = plugin_text(first.profiler);
    all["net plugin"] = plugin_text(first.net);
  }
  const auto policy = facts.environment.find(kPolicyVariable);
  if (policy != facts.environment.end()) all["policy"] = policy_text(policy->second.value);
  for (const auto& [name, setting] : facts.environment) {
    if (!may_differ(name)) all[name] = setting.value;
  }
  return all;
}

Json to_json(const Finding& finding) {
  return {{"id", finding.id},
          {"severity", static_cast<int>(finding.severity)},
          {"evidence", finding.evidence},
          {"consequence", finding.consequence},
          {"fix", finding.fix},
          {"source", finding.source}};
}

Finding finding_of(const Json& json) {
  const int severity = json.at("severity").get<int>();
  return {json.at("id"),
          static_cast<Severity>(std::clamp(severity, 0, static_cast<int>(Severity::error))),
          json.at("evidence"),
          json.at("consequence"),
          json.at("fix"),
          json.at("source")};
}

}  // namespace vernier::doctor
