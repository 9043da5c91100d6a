// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/machine_tree.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "tools/common/input.hpp"
#include "tools/common/json_input.hpp"
#include "tools/machine/answers_json.hpp"

namespace vernier::machine {
namespace {

constexpr std::size_t kMaxFileBytes = 16u << 20;
constexpr JsonBounds kBounds{16, 32768};  // some levels and some thousand paths are there
constexpr int kMaxAncestors = 4;
constexpr const char* kFileName = "/machine.json";

Json read_document(const std::string& file) {
  const Input input = read_input(file, kMaxFileBytes);
  if (!input.problem.empty()) throw std::runtime_error(fmt::format("{}: {}", file, input.problem));
  if (input.text.size() > kMaxFileBytes) throw Malformed("more than 16 MiB");
  Json document = parse_json_bounded(input.text, kBounds);
  if (!document.is_object()) throw Malformed("not a JSON object");
  return document;
}

// `based_on` names a folder beside this one; what is here changes what is there (RFC 7396).
Json read_tree(const std::string& folder, int ancestors) {
  if (ancestors > kMaxAncestors) throw Malformed("based_on goes in a circle");
  Json document = read_document(folder + kFileName);
  if (!document.contains("based_on")) return document;
  const std::string base = text(document, "based_on");
  if (base.find('/') != base.npos) throw Malformed("based_on is not the name of a folder");
  document.erase("based_on");
  Json merged = read_tree(folder + "/../" + base, ancestors + 1);
  merged.merge_patch(document);
  return merged;
}

class MachineTree final : public MachineView {
 public:
  explicit MachineTree(Json document) : document_(std::move(document)) {
    const Json& machine = member(document_, "machine");
    name_ = vernier::text(machine, "name");
    synthetic_ = take<bool>(machine, "synthetic").value;
    // All of it now: a file with a mistake in it is refused before anything is concluded.
    nvml_ = take<NvmlAnswers>(document_, "nvml");
    verbs_ = take<VerbsAnswers>(document_, "verbs");
    const Json variables = document_.value("environment", Json::object());
    for (const auto& [name, value] : variables.items()) {
      from_json(value, environment_[name]);
    }
  }

  std::string provenance() const override {
    return synthetic_ ? fmt::format("SYNTHETIC: {}, put together from published facts", name_)
                      : fmt::format("recorded: {}", name_);
  }
  Reading<std::string> text(const std::string& path) override {
    return answer<std::string>("text", path);
  }
  Reading<std::vector<std::string>> entries(const std::string& path) override {
    return answer<std::vector<std::string>>("entries", path);
  }
  Reading<std::string> real_path(const std::string& path) override {
    return answer<std::string>("real_path", path);
  }
  Reading<bool> opens(const std::string& path) override { return answer<bool>("opens", path); }
  Reading<std::uint64_t> capacity_bytes(const std::string& path) override {
    return answer<std::uint64_t>("capacity_bytes", path);
  }
  Reading<SharedObject> shared_object(const std::string& path) override {
    return answer<SharedObject>("shared_object", path);
  }
  Reading<std::string> in_loader_cache(const std::string& name) override {
    return answer<std::string>("loader_cache", name);
  }
  Reading<std::string> python_package(const std::string& name) override {
    return answer<std::string>("python_package", name);
  }
  Environment environment() override { return environment_; }
  Reading<NvmlAnswers> nvml() override { return nvml_; }
  Reading<VerbsAnswers> verbs() override { return verbs_; }
  Reading<bool> cuda_starts() override { return take<bool>(document_, "cuda_starts"); }

 private:
  template <typename T>
  Reading<T> answer(const char* question, const std::string& about) {
    const auto answers = document_.find(question);
    return answers == document_.end() ? Reading<T>{} : take<T>(*answers, about);
  }

  Json document_;
  std::string name_;
  bool synthetic_ = false;
  Reading<NvmlAnswers> nvml_;
  Reading<VerbsAnswers> verbs_;
  Environment environment_;
};

}  // namespace

std::unique_ptr<MachineView> open_machine_tree(const std::string& folder) {
  try {
    return std::make_unique<MachineTree>(read_tree(folder, 0));
  } catch (const Malformed& error) {
    throw std::runtime_error(fmt::format("{}{}: {}", folder, kFileName, error.what()));
  } catch (const Json::exception&) {  // a number or a list where an object belongs
    throw std::runtime_error(fmt::format("{}{}: not of the format", folder, kFileName));
  }
}

}  // namespace vernier::machine
