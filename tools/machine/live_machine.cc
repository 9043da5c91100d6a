// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/live_machine.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "tools/machine/child_output.hpp"
#include "tools/machine/loader_cache.hpp"
#include "tools/machine/nvml_library.hpp"
#include "tools/machine/regular_file.hpp"
#include "tools/machine/verbs_library.hpp"

extern char** environ;

namespace vernier::machine {
namespace {

constexpr std::size_t kMaxTextBytes = 1u << 20;
constexpr int kPythonLimitS = 5;

class LiveMachine final : public MachineView {
 public:
  std::string provenance() const override { return {}; }

  Reading<std::string> text(const std::string& path) override {
    const RegularFile file(path);
    if (file.opened().is_unreadable()) return Reading<std::string>::unreadable(file.opened().why);
    return file.opened().present() ? file.text(kMaxTextBytes) : Reading<std::string>{};
  }

  Reading<std::vector<std::string>> entries(const std::string& path) override {
    DIR* const folder = opendir(path.c_str());
    if (folder == nullptr) return refusal<std::vector<std::string>>(errno);
    std::vector<std::string> names;
    while (const dirent* const entry = readdir(folder)) {
      if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    closedir(folder);
    std::sort(names.begin(), names.end());
    return Reading<std::vector<std::string>>::of(std::move(names));
  }

  Reading<std::string> real_path(const std::string& path) override {
    std::array<char, PATH_MAX> resolved{};
    if (realpath(path.c_str(), resolved.data()) == nullptr) return refusal<std::string>(errno);
    return Reading<std::string>::of(resolved.data());
  }

  Reading<bool> opens(const std::string& path) override {
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return refusal<bool>(errno);
    close(file);
    return Reading<bool>::of(true);
  }

  Reading<std::uint64_t> capacity_bytes(const std::string& path) override {
    struct statvfs facts {};
    if (statvfs(path.c_str(), &facts) != 0) return refusal<std::uint64_t>(errno);
    return Reading<std::uint64_t>::of(facts.f_blocks * facts.f_frsize);
  }

  Reading<SharedObject> shared_object(const std::string& path) override {
    const RegularFile file(path);
    if (file.opened().is_unreadable()) return Reading<SharedObject>::unreadable(file.opened().why);
    return file.opened().present() ? read_shared_object(file) : Reading<SharedObject>{};
  }

  Reading<std::string> in_loader_cache(const std::string& name) override {
    const Reading<std::string> cache = text("/etc/ld.so.cache");
    if (!cache.present()) return cache;
    auto file = find_in_loader_cache(cache.value, name);
    if (!file) return {};
    return Reading<std::string>::of(*std::move(file));
  }

  // Asks the python3 of this environment, and not what lies in the current folder, which `-c` would
  // look in first. A package that it does not have is absent.
  Reading<std::string> python_package(const std::string& name) override {
    const std::string program =
        "import sys; sys.path[:] = [p for p in sys.path if p]; import importlib.util as u; "
        "s = u.find_spec('" +
        name + "'); print(list(s.submodule_search_locations)[0] if s else '')";
    Reading<std::string> said = child_output({"python3", "-c", program}, kPythonLimitS);
    if (!said.present()) return said;
    std::string folder = said.value.substr(0, said.value.find('\n'));
    if (folder.empty()) return {};
    return Reading<std::string>::of(std::move(folder));
  }

  Environment environment() override {
    Environment variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      const std::size_t equals = text.find('=');
      if (equals != text.npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return variables;
  }

  Reading<NvmlAnswers> nvml() override { return Nvml().answers(); }
  Reading<VerbsAnswers> verbs() override { return ask_verbs(); }

  Reading<bool> cuda_starts() override {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return {};
    const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(library, "cuInit"));
    const int result = init == nullptr ? -1 : init(0);
    if (result == 0) return Reading<bool>::of(true);
    return Reading<bool>::unreadable("CUDA driver error " + std::to_string(result));
  }
};

}  // namespace

std::unique_ptr<MachineView> make_live_machine() { return std::make_unique<LiveMachine>(); }

}  // namespace vernier::machine
