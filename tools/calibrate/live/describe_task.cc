// SPDX-License-Identifier: Apache-2.0
//
// The other half of roll_call.hpp: what a task says of itself.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

#include "tools/calibrate/live/confirm_policy.hpp"
#include "tools/calibrate/live/find_nccl.hpp"
#include "tools/calibrate/live/fingerprint.hpp"
#include "tools/calibrate/live/nccl_library.hpp"
#include "tools/calibrate/live/roll_call.hpp"
#include "vernier/nccl_version.hpp"
#include "vernier/sha256.hpp"

extern char** environ;

namespace vernier::calibrate {
namespace {

// What Open MPI gives a rank by default, one core, has one or two.
constexpr int kFewCpus = 4;

int usable_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : kFewCpus;
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The whole of it: a host that was started anew is another one.
std::string machine_id(const std::string& host) {
  std::string boot = text_of_file("/proc/sys/kernel/random/boot_id");
  boot.erase(std::find(boot.begin(), boot.end(), '\n'), boot.end());
  return host + " " + boot;
}

// Variables that may differ between ranks: which GPUs a task sees, which host it pretends to be,
// and what no measuring process inherits.
bool may_differ(std::string_view name) {
  return name == "CUDA_VISIBLE_DEVICES" || name == "NCCL_HOSTID" || name == "NCCL_COMM_ID" ||
         name.starts_with("NCCL_DEBUG") || name.starts_with("NCCL_VERNIER_");
}

void add_environment(Json& facts) {
  std::map<std::string, std::string> set;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if ((name.starts_with("NCCL_") || name.starts_with("CUDA_")) && !may_differ(name) &&
        name.size() < text.size()) {
      set[std::string(name)] = text.substr(name.size() + 1);
    }
  }
  for (const auto& [name, value] : set) facts[name] = value;
}

void add_facts(const CallOptions& options, const std::string& wanted_plugin, Json& hello) {
  (void)cuda_driver();
  const int device = device_of(*options.task);
  const NcclLibrary nccl = open_nccl(find_nccl(options.nccl).file);
  const std::string plugin = find_plugin(wanted_plugin);
  Json& facts = hello["facts"];
  facts["vernier"] = fmt::format("{} ({})", VERNIER_VERSION, short_digest("/proc/self/exe"));
  facts["NCCL"] = format_nccl_version(nccl.version);
  facts["NCCL library"] = nccl.path;
  facts["plugin"] = plugin.empty() ? "none" : fmt::format("{} ({})", plugin, short_digest(plugin));
  const GpuFacts gpu = describe_gpu(device);
  facts["GPU"] = gpu.name;
  facts["driver"] = gpu.driver;
  add_environment(facts);
  hello["gpu"] = gpu.bus_id;
  hello["warnings"] = Json::array();
  if (const auto busy = busy_gpu(device)) {
    hello["warnings"].push_back(*busy + "; times will be noisy");
  }
  if (const int cpus = usable_cpus(); cpus < kFewCpus) {
    hello["warnings"].push_back(
        fmt::format("may run on {} CPU{} only, and NCCL's network threads need some: mpirun "
                    "--bind-to none, srun --cpus-per-task",
                    cpus, cpus == 1 ? "" : "s"));
  }
}

}  // namespace

std::string short_digest(const std::string& path) {
  std::string text;
  for (const std::uint8_t byte : sha256(text_of_file(path))) text += fmt::format("{:02x}", byte);
  return text.substr(0, 12);
}

int device_of(const LaunchedTask& task) {
  const int gpus = count_gpus();
  if (gpus == 1) return 0;
  if (task.local_rank < gpus) return task.local_rank;
  throw MachineError(
      fmt::format("local rank {} needs a GPU of its own, but sees {} GPUs", task.local_rank, gpus));
}

Json describe_task(const CallOptions& options, const std::string& plugin) {
  const std::string host = own_host_name();
  const char* const host_id = std::getenv("NCCL_HOSTID");
  const std::string machine = machine_id(host);
  Json hello{{"vernier_task", 1},
             {"rank", options.task->rank},
             {"ranks", options.task->ranks},
             {"run", options.task->run},
             {"host", host},
             {"machine", machine},
             {"node", host_id != nullptr && *host_id != '\0' ? std::string(host_id) : machine},
             {"gpu", ""},
             {"facts", Json::object()}};
  try {
    add_facts(options, plugin, hello);
  } catch (const std::exception& error) {
    hello["problem"] = error.what();
  }
  return hello;
}

}  // namespace vernier::calibrate
