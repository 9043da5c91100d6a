// SPDX-License-Identifier: Apache-2.0
//
// How an NCCL finds its plugins: which file names it tries, and which symbol it takes. Read in the
// sources of NCCL 2.19 to 2.30.7 (src/plugin/plugin_open.cc and its predecessors); 2.31 and later
// from release notes.
#pragma once

#include <string>
#include <vector>

namespace vernier::doctor {

enum class PluginKind { tuner, profiler, net };

struct PluginNames {
  bool off = false;                // "none", from 2.28.3 on: nothing is loaded
  bool built_in = false;           // STATIC_PLUGIN: symbols of the program itself
  std::vector<std::string> names;  // for dlopen, in order
};

// `asked`: the value of NCCL_TUNER_PLUGIN, NCCL_PROFILER_PLUGIN or NCCL_NET_PLUGIN; empty: not set.
// `version`: 22809 is 2.28.9.
[[nodiscard]] PluginNames plugin_names(PluginKind kind, const std::string& asked, int version);

// Whether a tuner or profiler is looked for in the net plugin's file where it has none of its own.
[[nodiscard]] bool falls_back_to_net(PluginKind kind, int version);

// The symbols that this NCCL looks for, the one it prefers first; none of a net plugin, which is
// NCCL's own affair.
[[nodiscard]] std::vector<std::string> plugin_symbols(PluginKind kind, int version);

}  // namespace vernier::doctor
