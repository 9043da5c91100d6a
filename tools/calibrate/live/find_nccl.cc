// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/find_nccl.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tools/calibrate/live/nccl_library.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::calibrate {
namespace {

constexpr const char* kLoaderName = "libnccl.so.2";
// What vLLM's Python would import; prints nothing where there is no such package.
constexpr const char* kAskPython =
    "python3 -c 'import importlib.util as u; s = u.find_spec(\"nvidia.nccl\"); "
    "print(list(s.submodule_search_locations)[0] if s else \"\")' 2>/dev/null";

std::string in_python_package() {
  FILE* const python = popen(kAskPython, "r");
  if (python == nullptr) return {};
  std::array<char, 4096> line{};
  const bool said = std::fgets(line.data(), line.size(), python) != nullptr;
  pclose(python);
  std::string folder = said ? line.data() : "";
  while (!folder.empty() && folder.back() == '\n') folder.pop_back();
  if (folder.empty()) return {};
  const std::string file = folder + "/lib/" + kLoaderName;
  return access(file.c_str(), R_OK) == 0 ? file : std::string();
}

bool loader_finds(const char* name) {
  void* const library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  if (library != nullptr) dlclose(library);
  return library != nullptr;
}

}  // namespace

FoundNccl find_nccl(const std::string& asked_for) {
  if (!asked_for.empty()) return {asked_for, "--nccl", {}};
  const char* const of_vllm = std::getenv("VLLM_NCCL_SO_PATH");
  if (of_vllm != nullptr && *of_vllm != '\0') return {of_vllm, "VLLM_NCCL_SO_PATH", {}};
  const std::string package = in_python_package();
  if (!loader_finds(kLoaderName)) {
    if (!package.empty()) return {package, "the Python package nvidia.nccl", {}};
    throw MachineError(
        "no libnccl.so.2: neither VLLM_NCCL_SO_PATH nor the loader nor the Python package "
        "nvidia.nccl leads to one; give its path with --nccl");
  }
  FoundNccl found{kLoaderName, "the loader", {}};
  if (package.empty()) return found;
  const int version = open_nccl(kLoaderName).version;
  const int other = open_nccl(package).version;
  if (version != other) {
    found.other = fmt::format(
        "the loader finds NCCL {}, but the Python package nvidia.nccl has {}, which PyTorch and "
        "vLLM load: to calibrate that one, give --nccl {}",
        format_nccl_version(version), format_nccl_version(other), package);
  }
  return found;
}

}  // namespace vernier::calibrate
