// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/measure_floors.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/machine_error.hpp"
#include "tools/calibrate/statistics.hpp"

namespace vernier::calibrate {
namespace {

constexpr int kFloorLaunches = 3;
constexpr int kWirePairs = 4;
constexpr int kWindowsPairs = 2;  // of the default and the windows, at each size
constexpr double kGuessedUs = 20;

bool is_wanted(const Recording& recording, FloorKind kind, int launch,
               const std::optional<Point>& point) {
  return std::none_of(recording.floors.begin(), recording.floors.end(), [&](const FloorRecord& r) {
    return r.kind == kind && (!r.not_measured.empty() || (r.launch == launch && r.point == point));
  });
}

double default_us(const Recording& recording, const Point& point) {
  for (const SampleRecord& record : recording.samples) {
    if (record.point == point && record.phase == Phase::pilot) {
      return capture_us(record.arms[0].times_us[0]);
    }
  }
  return kGuessedUs;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

class FloorLaunch {
 public:
  FloorLaunch(GpuMachine& machine, Journal& journal, const Plan& plan, int launch,
              Progress& progress)
      : machine_(machine), journal_(journal), plan_(plan), launch_(launch), progress_(progress) {}

  void measure() {
    if (guarded(FloorKind::wire, [&] { return wire(); })) {
      (void)guarded(FloorKind::windows, [&] { return windows(); });
    }
  }

 private:
  // False where the processes are gone.
  template <typename Work>
  bool guarded(FloorKind kind, Work work) {
    try {
      return work();
    } catch (const MachineError& error) {  // the next launch says what that means for the rest
      fail(kind, error.what());
      return false;
    }
  }

  void fail(FloorKind kind, const std::string& why) {
    FloorRecord record{launch_, kind};
    record.not_measured = one_line(why);
    journal_.add(std::move(record));
    progress_.note(fmt::format("floors: {} not measured: {}", name_of(kind), one_line(why)));
  }

  bool add(FloorKind kind, const std::optional<Point>& point, int operations, Answer answer,
           const std::vector<std::string_view>& names) {
    if (answer.times_us.empty()) {
      fail(kind, fmt::format("{}{}: {}", point ? describe(*point) + ": " : "",
                             name_of(answer.outcome), answer.detail));
      return false;
    }
    FloorRecord record{launch_, kind, point, operations};
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (std::vector<float>& replays : answer.times_us[i]) {
        for (float& time_us : replays) time_us = static_cast<float>(rounded(time_us));
      }
      record.arms.push_back({std::string(names[i]), std::move(answer.times_us[i])});
    }
    journal_.add(std::move(record));
    return true;
  }

  bool wire() {
    if (!is_wanted(journal_.recording(), FloorKind::wire, launch_, {})) return true;
    progress_.show(fmt::format("launch {}: the wire", launch_));
    const Effort effort = effort_for(Mode::graph, kGuessedUs);
    return add(FloorKind::wire, {}, effort.operations, machine_.measure_wire(kWirePairs, effort),
               {kWireArm});
  }

  bool windows() {
    bool open = false;
    for (const Point& point : plan_.points) {
      if (progress_.stopped()) break;
      if (!is_wanted(journal_.recording(), FloorKind::windows, launch_, point)) continue;
      progress_.show(fmt::format("launch {}: {} in symmetric windows", launch_, describe(point)));
      if (!open) {
        if (const std::string why = machine_.open_windows(); !why.empty()) {
          fail(FloorKind::windows, why);
          return false;
        }
        open = true;
      }
      const Effort effort = effort_for(Mode::graph, default_us(journal_.recording(), point));
      if (!add(FloorKind::windows, point, effort.operations,
               machine_.measure_windows(point, kWindowsPairs, effort), {"default", kWindowsArm})) {
        return false;
      }
    }
    return true;
  }

  GpuMachine& machine_;
  Journal& journal_;
  const Plan& plan_;
  int launch_;
  Progress& progress_;
};

}  // namespace

void measure_floors(GpuMachine& machine, Journal& journal, const Plan& plan, int launch,
                    Progress& progress) {
  if (launch >= kFirstJudgingLaunch + kFloorLaunches) return;
  FloorLaunch(machine, journal, plan, launch, progress).measure();
}

}  // namespace vernier::calibrate
