// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/floors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/calibrate/report.hpp"
#include "tools/common/table.hpp"

namespace vernier::calibrate {
namespace {

using Against = WindowsFloor::Against;

std::string_view word_for(Against against) {
  switch (against) {
    case Against::faster: return "faster";
    case Against::slower: return "slower";
    case Against::same: return "same";
  }
  return "";
}

std::vector<double> captures_us(const FloorRecord& record, std::string_view arm) {
  std::vector<double> all_us;
  for (const std::vector<float>& replays : find_arm(record.arms, arm)->times_us) {
    all_us.push_back(capture_us(replays));
  }
  return all_us;
}

// What the policy gains over NCCL's own choice.
double gained(const Fit& fit, const Point& point) {
  for (const JudgedPoint& judged : fit.points) {
    if (judged.point != point) continue;
    const Rule* const rule = rule_at(fit.policy, judged);
    const JudgedArm* const arm = rule ? find_arm(judged, configuration_of(*rule)) : nullptr;
    return arm != nullptr ? arm->graph.ratio : 1;
  }
  return 1;
}

WindowsFloor judge(const Point& point, const std::map<int, LaunchPairs>& launches, const Fit& fit) {
  std::vector<LaunchPairs> by_launch;
  LaunchPairs all;
  for (const auto& [launch, pairs] : launches) {
    by_launch.push_back(pairs);
    all.reference_us.insert(all.reference_us.end(), pairs.reference_us.begin(),
                            pairs.reference_us.end());
    all.candidate_us.insert(all.candidate_us.end(), pairs.candidate_us.begin(),
                            pairs.candidate_us.end());
  }
  WindowsFloor floor{point,
                     median(all.reference_us),
                     0,
                     median(all.candidate_us),
                     ratio_interval(by_launch),
                     Against::same};
  const double policy_ratio = gained(fit, point);
  floor.policy_us = floor.default_us / policy_ratio;
  if (floor.graph.low95 > policy_ratio) floor.policy = Against::faster;
  if (floor.graph.high95 < policy_ratio) floor.policy = Against::slower;
  return floor;
}

// "4 of 9 sizes are faster ..., most allreduce of 8KiB: 4.2 us instead of 6.1"; empty: none is.
std::string most_text(const Floors& floors, Against against) {
  int count = 0;
  const WindowsFloor* most = nullptr;
  const auto gain = [&](const WindowsFloor& floor) {
    return against == Against::faster ? floor.policy_us / floor.windows_us
                                      : floor.windows_us / floor.policy_us;
  };
  for (const WindowsFloor& floor : floors.windows) {
    if (floor.policy != against) continue;
    ++count;
    if (most == nullptr || gain(floor) > gain(*most)) most = &floor;
  }
  if (most == nullptr) return fmt::format("none is {}", word_for(against));
  return fmt::format("{} {} {} (most at {}, {:.1f} us instead of {:.1f})", count,
                     count == 1 ? "is" : "are", word_for(against), describe(most->point),
                     most->windows_us, most->policy_us);
}

}  // namespace

bool Floors::empty() const {
  return wire_launches == 0 && windows.empty() && no_wire.empty() && no_windows.empty();
}

Floors find_floors(const Recording& recording, const Fit& fit) {
  Floors floors;
  std::vector<double> wire_us;
  std::map<Point, std::map<int, LaunchPairs>> windows;
  for (const FloorRecord& record : recording.floors) {
    const bool is_wire = record.kind == FloorKind::wire;
    if (!record.not_measured.empty()) {
      (is_wire ? floors.no_wire : floors.no_windows) = record.not_measured;
    } else if (is_wire) {
      ++floors.wire_launches;
      const std::vector<double> captures = captures_us(record, kWireArm);
      wire_us.insert(wire_us.end(), captures.begin(), captures.end());
    } else {
      windows[*record.point][record.launch] = {captures_us(record, "default"),
                                               captures_us(record, kWindowsArm)};
    }
  }
  if (!wire_us.empty()) floors.wire_us = median(wire_us);
  for (const auto& [point, launches] : windows) {
    floors.windows.push_back(judge(point, launches, fit));
  }
  return floors;
}

std::string table_text(const Floors& floors) {
  if (floors.windows.empty()) return {};
  using Align = Table::Align;
  Table table({{"collective", Align::left},
               {"bytes", Align::right},
               {"NCCL's own us", Align::right},
               {"policy us", Align::right},
               {"in windows us", Align::right},
               {"faster than its own by", Align::left},
               {"against the policy", Align::left}});
  for (const WindowsFloor& floor : floors.windows) {
    table.add({std::string(name_of(floor.point.collective)), format_bytes(floor.point.nbytes),
               fmt::format("{:.1f}", floor.default_us), fmt::format("{:.1f}", floor.policy_us),
               fmt::format("{:.1f}", floor.windows_us), interval_text(floor.graph),
               std::string(word_for(floor.policy))});
  }
  return table.text();
}

std::string floors_text(const Floors& floors) {
  std::string wire =
      floors.wire_launches == 0
          ? fmt::format("the wire was not measured ({})", floors.no_wire)
          : fmt::format("8 bytes to a neighbour take {:.1f} us (the wire)", floors.wire_us);
  std::string windows;
  if (!floors.windows.empty()) {
    windows = fmt::format("in symmetric windows, against the policy, of {} sizes {}, and {}",
                          floors.windows.size(), most_text(floors, Against::faster),
                          most_text(floors, Against::slower));
  }
  if (!floors.no_windows.empty()) {
    windows +=
        fmt::format("{}symmetric windows were {} ({})", windows.empty() ? "" : "; ",
                    windows.empty() ? "not measured" : "not measured further", floors.no_windows);
  }
  return fmt::format("What no tuning reaches: {}{}{}.", wire, windows.empty() ? "" : "; ", windows);
}

Json to_json(const Floors& floors) {
  Json json{{"wire_us", floors.wire_launches > 0 ? Json(floors.wire_us) : Json()},
            {"wire_launches", floors.wire_launches},
            {"wire_not_measured", floors.no_wire.empty() ? Json() : Json(floors.no_wire)},
            {"windows_not_measured", floors.no_windows.empty() ? Json() : Json(floors.no_windows)},
            {"windows", Json::array()}};
  for (const WindowsFloor& floor : floors.windows) {
    json["windows"].push_back({{"collective", name_of(floor.point.collective)},
                               {"bytes", floor.point.nbytes},
                               {"default_us", floor.default_us},
                               {"policy_us", floor.policy_us},
                               {"windows_us", floor.windows_us},
                               {"graph", interval_json(floor.graph)},
                               {"against_policy", word_for(floor.policy)}});
  }
  return json;
}

}  // namespace vernier::calibrate
