// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/loader_path.hpp"

#include <array>
#include <sstream>

namespace vernier::doctor {

std::string find_library(machine::MachineView& machine, const machine::Environment& environment,
                         const std::string& name) {
  const auto exists = [&](const std::string& file) { return machine.real_path(file).present(); };
  if (name.find('/') != name.npos) return exists(name) ? name : std::string();
  if (const auto path = environment.find("LD_LIBRARY_PATH"); path != environment.end()) {
    std::istringstream folders(path->second);
    for (std::string folder; std::getline(folders, folder, ':');) {
      if (!folder.empty() && exists(folder + "/" + name)) return folder + "/" + name;
    }
  }
  const auto cached = machine.in_loader_cache(name);
  if (cached.present() && exists(cached.value)) return cached.value;
  for (const char* const folder : {"/lib64/", "/usr/lib64/", "/lib/", "/usr/lib/"}) {
    if (exists(folder + name)) return folder + name;
  }
  return {};
}

}  // namespace vernier::doctor
