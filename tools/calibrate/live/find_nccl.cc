// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/find_nccl.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "tools/calibrate/live/nccl_library.hpp"
#include "tools/machine/live_machine.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::calibrate {
namespace {

constexpr const char* kLoaderName = "libnccl.so.2";

// Of the package that vLLM's Python would import; empty: there is none.
std::string in_python_package() {
  const auto folder = machine::make_live_machine()->python_package("nvidia.nccl");
  if (!folder.present()) return {};
  const std::string file = folder.value + "/lib/" + kLoaderName;
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
