// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/confirm_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tools/calibrate/confirm.hpp"
#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {
namespace {

constexpr const char* kPluginFile = "libnccl-tuner-vernier.so";

// Of NCCL's own choice at the nearest size that was judged.
double expected_us(const Fit& fit, const Point& point) {
  double us = 20;
  double nearest = 1e300;
  for (const JudgedPoint& judged : fit.points) {
    if (judged.point.collective != point.collective || judged.default_us <= 0) continue;
    const double distance =
        std::abs(static_cast<double>(judged.point.nbytes) - static_cast<double>(point.nbytes));
    if (distance >= nearest) continue;
    nearest = distance;
    us = judged.default_us;
  }
  return us;
}

bool is_there(const Recording& recording, int launch, const Point& point,
              const std::string& digest) {
  return std::any_of(recording.samples.begin(), recording.samples.end(), [&](const auto& record) {
    return record.phase == Phase::confirm && record.launch == launch && record.point == point &&
           record.policy == digest;
  });
}

}  // namespace

std::string find_plugin(const std::string& wanted) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!wanted.empty()) {
    if (fs::exists(wanted, error)) return fs::absolute(wanted).string();
    throw MachineError(fmt::format("--plugin {}: there is no such file", wanted));
  }
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& file : {folder / ".." / "lib" / kPluginFile, folder / kPluginFile}) {
    if (fs::exists(file, error)) return fs::weakly_canonical(file, error).string();
  }
  return {};
}

bool confirm_policy(GpuMachine& machine, Journal& journal, const Plan& plan, const Fit& fit,
                    const std::string& plugin, Progress& progress) {
  const auto inline_policy = encode_inline(fit.policy);
  if (!inline_policy) throw MachineError("the policy is too long to be handed to the ranks");
  const std::string digest = vernier::digest(fit.policy);
  std::vector<Point> points =
      held_out_points(fit.policy, fit.points, plan.ranks, plan.element_bytes);
  for (std::size_t i = 0; i < kConfirmLaunches + kSecondLookLaunches; ++i) {
    if (i == kConfirmLaunches) points = doubtful_points(journal.recording(), digest);
    const int launch = kFirstJudgingLaunch + plan.judging_launches + static_cast<int>(i);
    bool runs = false;
    for (const Point& point : points) {
      if (is_there(journal.recording(), launch, point, digest)) continue;
      if (progress.stopped()) return false;
      if (!runs) {
        progress.show(fmt::format("launch {}: starting with the plugin", launch));
        (void)machine.start_confirming(launch, plugin, *inline_policy);
        runs = true;
      }
      progress.show(fmt::format("launch {}: confirming {}", launch, describe(point)));
      const Effort effort = effort_for(Mode::graph, expected_us(fit, point));
      Answer answer = machine.measure({point,
                                       {kDefault, kDefault},
                                       Mode::graph,
                                       plan.pairs,
                                       effort.operations,
                                       effort.replays});
      if (answer.times_us.size() != 2) {
        throw MachineError(fmt::format("{} through the plugin: {}: {}", describe(point),
                                       name_of(answer.outcome), answer.detail));
      }
      for (auto& pairs : answer.times_us) {
        for (auto& replays : pairs) {
          for (float& us : replays) us = static_cast<float>(rounded(us));
        }
      }
      journal.add(SampleRecord{launch,
                               Phase::confirm,
                               Mode::graph,
                               point,
                               effort.operations,
                               {{"default", std::move(answer.times_us[0])},
                                {std::string(kPolicyArm), std::move(answer.times_us[1])}},
                               digest});
    }
  }
  return true;
}

}  // namespace vernier::calibrate
