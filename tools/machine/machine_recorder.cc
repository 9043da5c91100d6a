// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/machine_recorder.hpp"

#include <array>
#include <string_view>

#include "tools/machine/answers_json.hpp"
#include "tools/machine/secrets.hpp"

namespace vernier::machine {
namespace {

// Nothing else of an environment leaves the machine: it holds tokens and passwords.
bool is_kept(std::string_view name) {
  constexpr std::array<std::string_view, 6> kOthers = {
      "CUDA_VISIBLE_DEVICES",    "HOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "SGLANG_NCCL_SO_PATH",
      "MELLANOX_VISIBLE_DEVICES"};
  if (name.starts_with("NCCL_") || name.starts_with("VLLM_")) return !names_a_secret(name);
  for (const std::string_view other : kOthers) {
    if (name == other) return true;
  }
  return false;
}

}  // namespace

Json MachineRecorder::document(const std::string& name) const {
  Json document{{"machine", Json{{"name", name}, {"synthetic", false}}}};
  document.update(answers_);
  return document;
}

Reading<std::string> MachineRecorder::text(const std::string& path) {
  const auto answer = machine_.text(path);
  put(answers_["text"], path, answer);
  return answer;
}
Reading<std::vector<std::string>> MachineRecorder::entries(const std::string& path) {
  const auto answer = machine_.entries(path);
  put(answers_["entries"], path, answer);
  return answer;
}
Reading<std::string> MachineRecorder::real_path(const std::string& path) {
  const auto answer = machine_.real_path(path);
  put(answers_["real_path"], path, answer);
  return answer;
}
Reading<bool> MachineRecorder::opens(const std::string& path) {
  const auto answer = machine_.opens(path);
  put(answers_["opens"], path, answer);
  return answer;
}
Reading<std::uint64_t> MachineRecorder::capacity_bytes(const std::string& path) {
  const auto answer = machine_.capacity_bytes(path);
  put(answers_["capacity_bytes"], path, answer);
  return answer;
}
Reading<SharedObject> MachineRecorder::shared_object(const std::string& path) {
  const auto answer = machine_.shared_object(path);
  put(answers_["shared_object"], path, answer);
  return answer;
}
Reading<std::string> MachineRecorder::in_loader_cache(const std::string& name) {
  const auto answer = machine_.in_loader_cache(name);
  put(answers_["loader_cache"], name, answer);
  return answer;
}
Reading<std::string> MachineRecorder::python_package(const std::string& name) {
  const auto answer = machine_.python_package(name);
  put(answers_["python_package"], name, answer);
  return answer;
}
Environment MachineRecorder::environment() {
  Environment kept;
  for (auto& [name, value] : machine_.environment()) {
    if (!is_kept(name)) continue;
    answers_["environment"][name] = to_json(value);
    kept[name] = value;
  }
  return kept;
}
Reading<NvmlAnswers> MachineRecorder::nvml() {
  const auto answer = machine_.nvml();
  put(answers_, "nvml", answer);
  return answer;
}
Reading<VerbsAnswers> MachineRecorder::verbs() {
  const auto answer = machine_.verbs();
  put(answers_, "verbs", answer);
  return answer;
}
Reading<bool> MachineRecorder::cuda_starts() {
  const auto answer = machine_.cuda_starts();
  put(answers_, "cuda_starts", answer);
  return answer;
}

}  // namespace vernier::machine
