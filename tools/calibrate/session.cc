// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>

#include "tools/calibrate/bundles/report.hpp"
#include "tools/calibrate/report.hpp"
#include "tools/common/output.hpp"
#include "tools/common/output_file.hpp"

namespace vernier::calibrate {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
}

std::string short_text(const Json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

const Json& at(const Json& json, const std::string& key) {
  static const Json nothing;
  return json.is_object() && json.contains(key) ? json[key] : nothing;
}

}  // namespace

LineFile::LineFile(const std::string& path, std::size_t keep_bytes)
    : path_(path), file_(std::fopen(path.c_str(), "ab"), std::fclose) {
  if (!file_) fail(path);
  if (ftruncate(fileno(file_.get()), static_cast<off_t>(keep_bytes)) != 0) fail(path);
}

void LineFile::add(const std::string& line) {
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() ||
      std::fputc('\n', file_.get()) == EOF || std::fflush(file_.get()) != 0) {
    fail(path_);
  }
}

std::string header_difference(const Json& there, const Json& here) {
  for (const char* const section :
       {"machine", "nccl", "environment", "set_environment", "plan", "traffic", "bundles"}) {
    const Json& a = at(there, section);
    const Json& b = at(here, section);
    std::set<std::string> keys;
    for (const auto& [key, value] : a.items()) keys.insert(key);
    for (const auto& [key, value] : b.items()) keys.insert(key);
    for (const std::string& key : keys) {
      if (at(a, key) != at(b, key)) {
        return fmt::format("{} {}: {} there, {} here", section, key, short_text(at(a, key)),
                           short_text(at(b, key)));
      }
    }
  }
  return {};
}

Plan plan_of(const Recording& recording) {
  const Json& stated = at(recording.header, "plan");
  const auto number = [&](const char* key) {
    const Json& value = at(stated, key);
    if (!value.is_number_integer() || value.get<int>() < 1) {
      throw std::runtime_error(fmt::format("the header's plan has no \"{}\"", key));
    }
    return value.get<int>();
  };
  Plan plan;
  plan.ranks = number("ranks");
  plan.element_bytes = static_cast<std::uint32_t>(number("element_bytes"));
  plan.judging_launches = number("launches");
  plan.pairs = number("pairs");
  std::set<Point> points;
  for (const CheckRecord& check : recording.checks) {
    if (check.launch == kScreenLaunch) points.insert(check.point);
  }
  plan.points.assign(points.begin(), points.end());
  return plan;
}

Conclusion judge_all(const Recording& recording, const FitOptions& options,
                     const std::optional<workload::Workload>& traffic, const Shape& shape,
                     bool bundles) {
  Conclusion all{fit(recording, options), {}, {}, {}, {}};
  all.floors = find_floors(recording, all.fit);
  const bool tried = bundles && !recording.bundles.empty();
  if (traffic) all.prediction = predict(all.fit, *traffic, shape);
  if (tried) {
    all.weights = weigh(all.fit, traffic, shape);
    all.trial = judge_bundles(recording, all.fit, options, all.weights);
  }
  return all;
}

namespace {

void print_details(const Fit& fit, const std::string& policy_path) {
  print_result(table_text(fit));
  print_result("");
  print_result(
      fmt::format("{}: {} rules, {}", policy_path, fit.policy.rules.size(), digest(fit.policy)));
  print_result(fmt::format("Null run: {}.", null_text(fit.null)));
  if (const std::string text = confirmed_text(fit); !text.empty()) print_result(text + ".");
  for (const std::string& refuted : fit.refuted) print_result("Taken out: " + refuted + ".");
  if (!fit.policy.rules.empty()) {
    print_result(
        fmt::format("GPU memory that the rules add to a communicator: {:.0f} MiB.", fit.added_mib));
  }
  for (const std::string& left_out : fit.left_out) {
    print_result("Left out for --max-extra-mib: " + left_out + ".");
  }
  if (const std::string text = eager_text(fit); !text.empty()) print_result(text + ".");
}

void print_json_document(const Conclusion& conclusion, const BundleResult* best,
                         const std::string& policy_path) {
  Json document = to_json(best != nullptr ? *best->fit : conclusion.fit);
  document["policy"] = policy_path;
  if (!conclusion.floors.empty()) document["floors"] = to_json(conclusion.floors);
  // It is of no bundle.
  if (conclusion.prediction && best == nullptr) {
    document["verdict"] = verdict(*conclusion.prediction);
    document["prediction"] = to_json(*conclusion.prediction);
  }
  if (conclusion.trial) {
    document["bundle"] = best != nullptr ? Json(best->bundle.name) : Json();
    document["bundles"] = to_json(*conclusion.trial);
    if (best != nullptr) document["verdict"] = verdict(*conclusion.trial);
  }
  print_json(document);
}

}  // namespace

bool conclude(const Conclusion& conclusion, const std::string& policy_path, bool json) {
  const BundleResult* const best = conclusion.trial ? conclusion.trial->best() : nullptr;
  const Fit& chosen = best != nullptr ? *best->fit : conclusion.fit;
  const std::string problem =
      write_output(policy_path, write_policy(chosen.policy, WithEvidence::yes));
  if (!problem.empty()) {
    print_talk(fmt::format("vernier: error: {}: {}", policy_path, problem));
    return false;
  }
  if (json) {
    print_json_document(conclusion, best, policy_path);
    return true;
  }
  if (best != nullptr) print_result(fmt::format("Under bundle {}:", best->bundle.name));
  print_details(chosen, policy_path);
  if (const std::string text = table_text(conclusion.floors); !text.empty()) {
    print_result((best != nullptr ? "\nWithout a bundle:\n" : "\n") + text + "\n");
  }
  if (conclusion.trial) {
    print_result("\n" + table_text(*conclusion.trial, conclusion.weights) + "\n");
    print_result(verdict(*conclusion.trial));
  }
  if (best == nullptr && conclusion.prediction) {
    print_result("\n" + gain_text(*conclusion.prediction) + "\n");
    print_result(verdict(*conclusion.prediction));
  } else if (best == nullptr) {
    print_result(verdict(chosen));
  }
  if (!conclusion.floors.empty()) {
    print_result((best != nullptr ? "Without the bundle. " : "") + floors_text(conclusion.floors));
  }
  return true;
}

}  // namespace vernier::calibrate
