// SPDX-License-Identifier: Apache-2.0
//
// The machine, as a set of questions. There are three that answer: the machine itself
// (live_machine.hpp), one that a file describes (machine_tree.hpp), and one that writes down what
// another says (machine_recorder.hpp). Nobody else touches files, libraries or the environment, so
// what the doctor says of a machine follows from these answers alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/machine/nvml_answers.hpp"
#include "tools/machine/reading.hpp"
#include "tools/machine/shared_object.hpp"
#include "tools/machine/verbs_answers.hpp"

namespace vernier::machine {

using Environment = std::map<std::string, std::string>;

class MachineView {
 public:
  virtual ~MachineView() = default;

  // What is looked at, where that is not this machine: a sentence for every report.
  [[nodiscard]] virtual std::string provenance() const = 0;

  // A whole file, at most 1 MiB of it.
  [[nodiscard]] virtual Reading<std::string> text(const std::string& path) = 0;
  // The names in a folder, sorted.
  [[nodiscard]] virtual Reading<std::vector<std::string>> entries(const std::string& path) = 0;
  // Where a path leads once all links are followed.
  [[nodiscard]] virtual Reading<std::string> real_path(const std::string& path) = 0;
  // Whether this user can open a device file for reading and writing: present means yes.
  [[nodiscard]] virtual Reading<bool> opens(const std::string& path) = 0;
  // Size in bytes of the file system at `path`.
  [[nodiscard]] virtual Reading<std::uint64_t> capacity_bytes(const std::string& path) = 0;
  // A library, read and not loaded.
  [[nodiscard]] virtual Reading<SharedObject> shared_object(const std::string& path) = 0;
  // What the loader's cache has for a name such as libnccl.so.2.
  [[nodiscard]] virtual Reading<std::string> in_loader_cache(const std::string& name) = 0;
  // The folder that Python would import a package from.
  [[nodiscard]] virtual Reading<std::string> python_package(const std::string& name) = 0;
  [[nodiscard]] virtual Environment environment() = 0;
  // Absent: no library. Unreadable: it is there and refuses, and says why.
  [[nodiscard]] virtual Reading<NvmlAnswers> nvml() = 0;
  [[nodiscard]] virtual Reading<VerbsAnswers> verbs() = 0;
  // Whether CUDA starts in this process. Takes up to a second: for where there is a doubt.
  [[nodiscard]] virtual Reading<bool> cuda_starts() = 0;
};

}  // namespace vernier::machine
