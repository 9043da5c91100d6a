// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "tools/doctor/findings.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::doctor {
namespace {

using Findings = std::vector<Finding>;

std::string named(const NcclLibrary& library) {
  return library.version
             ? fmt::format("{} ({})", library.file, format_nccl_version(*library.version))
             : library.file;
}

void judge_files(const Facts& facts, Findings& findings) {
  if (facts.nccl.empty() && !facts.gpus.empty()) {
    findings.push_back({"nccl.none", Severity::note,
                        "no libnccl.so.2: neither VLLM_NCCL_SO_PATH nor LD_PRELOAD, the Python "
                        "package nvidia.nccl or the loader leads to one",
                        "what depends on NCCL's version is left out below",
                        "run vernier doctor in the environment (venv, container) that serves"});
  }
  for (const NcclLibrary& library : facts.nccl) {
    const std::string how = fmt::format("{}", fmt::join(library.found_by, ", "));
    if (library.content.absent() && library.found_by.front() != "loader") {
      const bool package = library.found_by.front().starts_with("Python");
      findings.push_back({"nccl.missing", package ? Severity::warning : Severity::error,
                          fmt::format("{} names {}, which is not there", how, library.file),
                          "the engine stops with \"Failed to load NCCL library\"",
                          "give the path of a libnccl.so.2 as the serving process sees it, or "
                          "unset the variable"});
    } else if (library.content.is_unreadable()) {
      findings.push_back({"nccl.unreadable", Severity::error,
                          fmt::format("{} ({}): {}", library.file, how, library.content.why),
                          "a process that opens it fails", "install the library again"});
    }
  }
}

// A variable names it, and it is not the Python package, which PyTorch takes anyway.
bool forces_an_image(const NcclLibrary& library) {
  const auto found_by = [&](auto how) {
    return std::any_of(library.found_by.begin(), library.found_by.end(), how);
  };
  return found_by([](const std::string& how) {
           return how.ends_with("SO_PATH") || how == "LD_PRELOAD";
         }) &&
         !found_by([](const std::string& how) { return how.starts_with("Python"); });
}

void judge_conflicts(const Facts& facts, Findings& findings) {
  std::vector<std::string> all;
  std::set<std::optional<int>> versions;
  bool forced = false;
  for (const NcclLibrary& library : facts.nccl) {
    if (!library.content.present()) continue;
    all.push_back(named(library));
    versions.insert(library.version);
    forced = forced || forces_an_image(library);
  }
  if (versions.size() < 2) return;
  const std::string evidence = fmt::format("{}", fmt::join(all, "; "));
  if (forced) {
    findings.push_back({"nccl.two-images", Severity::warning, evidence,
                        "torch and the engine hold two NCCLs in one process: twice the memory, two "
                        "sets of defaults, and advice that fits only one of them",
                        "set both LD_PRELOAD and VLLM_NCCL_SO_PATH to one file, or neither"});
  } else {
    findings.push_back({"nccl.other-version", Severity::note, evidence,
                        "what runs depends on who loads it: PyTorch takes the Python package, "
                        "other programs the loader's",
                        "calibrate with the one that serves (vernier calibrate --nccl FILE)"});
  }
}

// `plugin` of one library.
void judge_plugin(const NcclLibrary& library, const PluginChoice& plugin, Findings& findings) {
  const std::string variable =
      plugin.kind == "tuner" ? "NCCL_TUNER_PLUGIN" : "NCCL_PROFILER_PLUGIN";
  if (plugin.off || plugin.built_in || plugin.tried.empty()) return;
  if (plugin.file.empty()) {
    if (plugin.asked.empty()) return;
    const bool names_only = library.version == 22703 && plugin.asked.find('/') != std::string::npos;
    findings.push_back(
        {"nccl.plugin-not-found", Severity::warning,
         fmt::format("{}={}: {} tries {} and finds no file", variable, plugin.asked, named(library),
                     fmt::join(plugin.tried, ", ")),
         fmt::format("NCCL runs without a {} and says so only with NCCL_DEBUG=INFO", plugin.kind),
         names_only ? "2.27.3 takes no path: put the file's folder into LD_LIBRARY_PATH and give "
                      "its name"
                    : "put the file's folder into LD_LIBRARY_PATH, or give its path"});
    return;
  }
  if (!plugin.content.present()) {
    findings.push_back({"nccl.plugin-not-library", Severity::warning,
                        fmt::format("{}: {}", plugin.file, plugin.content.why),
                        fmt::format("NCCL runs without a {}", plugin.kind),
                        "install the plugin again"});
  } else if (plugin.symbol.empty()) {
    findings.push_back(
        {"nccl.plugin-not-known", Severity::warning,
         fmt::format("{} exports no {} that {} knows (it has {})", plugin.file, plugin.kind,
                     named(library),
                     plugin.content.value.nccl_symbols.empty()
                         ? std::string("none at all")
                         : fmt::format("{}", fmt::join(plugin.content.value.nccl_symbols, ", "))),
         fmt::format("NCCL runs without a {}", plugin.kind),
         "a plugin for this NCCL, or another NCCL"});
  } else if (plugin.asked.empty() || plugin.from_net_plugin) {
    findings.push_back(
        {"nccl.plugin-unasked", Severity::note,
         fmt::format("{} loads {} as its {} ({}{})", named(library), plugin.file, plugin.kind,
                     plugin.symbol, plugin.from_net_plugin ? ", from the net plugin" : ""),
         fmt::format("a {} that no variable names makes the choices; naming another hides it",
                     plugin.kind),
         fmt::format("nothing, if it is meant; {}=none switches it off from NCCL 2.28.3 on",
                     variable)});
  }
}

}  // namespace

void check_nccl(const Facts& facts, Findings& findings) {
  judge_files(facts, findings);
  judge_conflicts(facts, findings);
  for (const NcclLibrary& library : facts.nccl) {
    if (!library.content.present()) continue;
    judge_plugin(library, library.tuner, findings);
    judge_plugin(library, library.profiler, findings);
  }
}

}  // namespace vernier::doctor
