// SPDX-License-Identifier: Apache-2.0
//
// Every libnccl that a process started from here could load, and what each would load in turn.
// Files are read, not opened as libraries.
#include <algorithm>
#include <sstream>

#include "tools/doctor/collect.hpp"
#include "tools/doctor/loader_path.hpp"
#include "tools/doctor/nccl_plugins.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::doctor {
namespace {

constexpr const char* kLoaderName = "libnccl.so.2";
class Collector {
 public:
  Collector(machine::MachineView& machine, Facts& facts)
      : machine_(machine), facts_(facts), shell_(machine.environment()) {}

  void run() {
    // vLLM and SGLang open what their variable names; a preloaded library comes before all others;
    // then what import torch has mapped, and what the loader finds.
    for (const char* const name : {"VLLM_NCCL_SO_PATH", "SGLANG_NCCL_SO_PATH"}) {
      if (const auto set = shell_.find(name); set != shell_.end() && !set->second.empty()) {
        add(set->second, name);
      }
    }
    add_preloaded();
    const auto package = machine_.python_package("nvidia.nccl");
    if (package.present()) {
      add(package.value + "/lib/" + kLoaderName, "Python package nvidia.nccl");
    } else if (package.is_unreadable()) {
      facts_.unreadable.push_back("python3: " + package.why);
    }
    const std::string loaded = find_library(machine_, shell_, kLoaderName);
    if (!loaded.empty()) add(loaded, "loader");
    for (NcclLibrary& library : facts_.nccl) add_plugins(library);
    for (const char* const name : {"NCCL_TOPO_FILE", "NCCL_GRAPH_FILE", "NCCL_VERNIER_POLICY"}) {
      const std::string file = value_of(name);
      if (file.empty() || file.starts_with("inline:")) continue;
      if (machine_.real_path(file).absent()) facts_.missing_files[name] = file;
    }
    for (const char* const name : {"libsharp_coll.so.5", "libsharp_coll.so"}) {
      if (!find_library(machine_, shell_, name).empty()) facts_.sharp_library = true;
    }
  }

 private:
  void add_preloaded() {
    const auto set = shell_.find("LD_PRELOAD");
    if (set == shell_.end()) return;
    std::string files = set->second;
    std::replace(files.begin(), files.end(), ':', ' ');
    std::istringstream words(files);
    for (std::string word; words >> word;) {
      if (word.find("libnccl.so") != word.npos) add(word, "LD_PRELOAD");
    }
  }

  void add(const std::string& named, const std::string& how) {
    std::string file = find_library(machine_, shell_, named);
    if (file.empty()) file = named;
    const std::string real = machine_.real_path(file).value_or(file);
    for (NcclLibrary& known : facts_.nccl) {
      if (known.file != real) continue;
      known.found_by.push_back(how);
      return;
    }
    NcclLibrary library;
    library.file = real;
    library.found_by = {how};
    library.content = machine_.shared_object(real);
    library.version = parse_nccl_version(library.content.value.nccl_version);
    facts_.nccl.push_back(std::move(library));
  }

  std::string value_of(const char* name) const {
    const auto found = facts_.environment.find(name);
    return found == facts_.environment.end() ? std::string() : found->second.value;
  }

  PluginChoice find_plugin(PluginKind kind, const char* kind_name, const char* variable,
                           int version) {
    PluginChoice choice;
    choice.kind = kind_name;
    choice.asked = value_of(variable);
    const PluginNames names = plugin_names(kind, choice.asked, version);
    choice.off = names.off;
    choice.built_in = names.built_in;
    choice.tried = names.names;
    for (const std::string& name : names.names) {
      choice.file = find_library(machine_, shell_, name);
      if (!choice.file.empty()) break;
    }
    if (!choice.file.empty()) choice.content = machine_.shared_object(choice.file);
    return choice;
  }

  static void choose_symbol(PluginKind kind, int version, PluginChoice& choice) {
    const auto& exported = choice.content.value.nccl_symbols;
    for (const std::string& symbol : plugin_symbols(kind, version)) {
      if (std::binary_search(exported.begin(), exported.end(), symbol)) {
        choice.symbol = symbol;
        return;
      }
    }
  }

  void add_plugins(NcclLibrary& library) {
    const int version = library.version.value_or(kNewestNccl);
    library.net = find_plugin(PluginKind::net, "net", "NCCL_NET_PLUGIN", version);
    const auto add_one = [&](PluginKind kind, const char* name, const char* variable) {
      PluginChoice choice = find_plugin(kind, name, variable, version);
      choose_symbol(kind, version, choice);
      // Where its own file does not do, the net plugin's may.
      if (choice.symbol.empty() && !choice.off && !choice.built_in && !library.net.file.empty() &&
          falls_back_to_net(kind, version)) {
        PluginChoice other = choice;
        other.file = library.net.file;
        other.content = library.net.content;
        other.from_net_plugin = true;
        choose_symbol(kind, version, other);
        if (!other.symbol.empty()) return other;
      }
      return choice;
    };
    library.tuner = add_one(PluginKind::tuner, "tuner", "NCCL_TUNER_PLUGIN");
    library.profiler = add_one(PluginKind::profiler, "profiler", "NCCL_PROFILER_PLUGIN");
  }

  machine::MachineView& machine_;
  Facts& facts_;
  const machine::Environment shell_;
};

}  // namespace

std::optional<int> Facts::nccl_version() const {
  for (const NcclLibrary& library : nccl) {
    if (library.version) return library.version;
  }
  return std::nullopt;
}

void collect_nccl(machine::MachineView& machine, Facts& facts) { Collector(machine, facts).run(); }

}  // namespace vernier::doctor
