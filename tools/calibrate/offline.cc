// SPDX-License-Identifier: Apache-2.0
//
// vernier calibrate without GPUs: --refit makes the policy again from measurements, --replay runs
// the whole search against them.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tools/calibrate/options.hpp"
#include "tools/calibrate/recorded_machine.hpp"
#include "tools/calibrate/replay_truth.hpp"
#include "tools/calibrate/report.hpp"
#include "tools/calibrate/search.hpp"
#include "tools/calibrate/session.hpp"
#include "tools/calibrate/terminal_progress.hpp"
#include "tools/calibrate/traffic.hpp"

namespace vernier::calibrate {
namespace {

Recording must_read(const std::string& path) {
  ReadRecording read = read_recording(path);
  if (!read.recording) throw std::runtime_error(read.problem);
  return std::move(*read.recording);
}

std::string name_from(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path().filename();
  return folder.empty() ? std::string("calibrated") : folder.string();
}

int nccl_version_of(const Recording& recording) {
  const auto nccl = recording.header.find("nccl");
  if (nccl != recording.header.end() && nccl->is_object() && nccl->contains("version") &&
      (*nccl)["version"].is_string()) {
    if (const auto code = parse_nccl_version((*nccl)["version"].get<std::string>())) return *code;
  }
  throw std::runtime_error("the header does not say which NCCL it was");
}

// How much of what there was to gain the policy gains, by samples that the search never drew.
std::string judge_by_truth(const Fit& fit, const Recording& recording) {
  const ReplayTruth truth(recording);
  int rules = 0;
  int slower = 0;
  double worst_regret = 1;
  Point worst{};
  for (const JudgedPoint& judged : fit.points) {
    const Rule* const rule = rule_at(fit.policy, judged);
    const double chosen = rule == nullptr ? 1 : truth.ratio(judged.point, configuration_of(*rule));
    if (rule != nullptr) ++rules;
    if (rule != nullptr && truth.is_slower(judged.point, configuration_of(*rule))) ++slower;
    const double best = truth.ratio(judged.point, truth.best(judged.point));
    if (best / chosen <= worst_regret) continue;
    worst_regret = best / chosen;
    worst = judged.point;
  }
  return fmt::format(
      "Against samples that were not drawn: {} of {} sizes have a rule, {} of them are more than "
      "2 % slower than NCCL's own choice; farthest from the best {:.3f}{}.",
      rules, fit.points.size(), slower, worst_regret,
      worst_regret > 1 ? " at " + describe(worst) : "");
}

// What the recording was for, or what the options name instead.
std::optional<workload::Workload> traffic_of(const Options& options, const Json& header) {
  if (!options.from_profile.empty()) return read_profiled_traffic(options.from_profile);
  if (options.model_config.empty()) return kept_traffic(header);
  const Json machine = header.value("machine", Json::object());
  return model_traffic(options, machine, shape_of(header).nodes);
}

// Refuses what this machine cannot say anything of.
std::optional<workload::Workload> usable_traffic(const Options& options, const Json& header) {
  auto traffic = traffic_of(options, header);
  if (traffic) (void)points_of(*traffic, shape_of(header));
  return traffic;
}

template <typename Work>
ExitCode guarded(Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    print_talk(std::string("vernier: error: ") + error.what());
    return ExitCode::could_not_look;
  }
}

}  // namespace

ExitCode refit(const Options& options) {
  return guarded([&] {
    const Recording recording = must_read(options.refit);
    const std::string name = options.name.empty() ? name_from(options.refit) : options.name;
    // "none" leaves out those that the recording has; others it cannot have.
    const Conclusion conclusion = judge_all(
        recording, {name, options.max_extra_mib}, usable_traffic(options, recording.header),
        shape_of(recording.header), options.env_bundles != "none");
    std::filesystem::create_directories(options.out);
    return conclude(conclusion, options.out + "/policy.toml", options.json)
               ? ExitCode::fine
               : ExitCode::could_not_look;
  });
}

ExitCode replay(const Options& options) {
  return guarded([&] {
    const Recording recording = must_read(options.replay);
    const Plan plan = plan_of(recording);
    RecordedMachine machine(recording, options.seed, RecordedMachine::Truth::as_recorded);
    Recording drawn;
    drawn.header = recording.header;
    drawn.floors = recording.floors;  // nothing of them is searched for
    Journal journal(std::move(drawn), {});
    {
      TerminalProgress progress(true);
      if (!Search(machine, journal, plan, nccl_version_of(recording), progress).run()) {
        return ExitCode::could_not_look;
      }
    }
    const std::string name = options.name.empty() ? name_from(options.replay) : options.name;
    const Conclusion conclusion =
        judge_all(journal.recording(), {name, options.max_extra_mib},
                  usable_traffic(options, recording.header), shape_of(recording.header), false);
    std::filesystem::create_directories(options.out);
    if (!conclude(conclusion, options.out + "/policy.toml", options.json)) {
      return ExitCode::could_not_look;
    }
    if (!recording.bundles.empty()) {
      print_talk(
          "vernier: note: only what was measured without a bundle is replayed; --refit "
          "decides about the bundles");
    }
    const std::string truth = judge_by_truth(conclusion.fit, recording);
    if (options.json) {
      print_talk(truth);
    } else {
      print_result(truth);
    }
    return ExitCode::fine;
  });
}

}  // namespace vernier::calibrate
