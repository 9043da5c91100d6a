// SPDX-License-Identifier: Apache-2.0
//
// The whole search on a machine made of a recording of the catalog.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/recorded_machine.hpp"
#include "tools/calibrate/replay_truth.hpp"
#include "tools/calibrate/report.hpp"
#include "tools/calibrate/search.hpp"
#include "tools/calibrate/session.hpp"

namespace vernier::calibrate {

inline constexpr int kNcclVersion = 22809;

class Silent : public Progress {
 public:
  void remaining(double) override {}
  void done(double) override {}
  void show(const std::string&) override {}
  void note(const std::string&) override {}
  [[nodiscard]] bool stopped() const override { return false; }
};

inline Recording catalog(const std::string& fabric) {
  ReadRecording read = read_recording(CATALOG "/h200-" + fabric + "/measurements.jsonl.gz");
  EXPECT_TRUE(read.recording) << read.problem;
  return std::move(*read.recording);
}

// Every candidate judged, over four launches; as if a search had been asked for.
inline Recording exhaustive(const std::string& fabric, int launches, int pairs) {
  ReadRecording read = read_recording(EXHAUSTIVE "/h200-" + fabric + ".jsonl.gz");
  EXPECT_TRUE(read.recording) << read.problem;
  Json& plan = read.recording->header["plan"];
  plan.erase("exhaustive");
  plan["launches"] = launches;
  plan["pairs"] = pairs;
  return std::move(*read.recording);
}

inline Recording search(const Recording& recording, RecordedMachine& machine) {
  Recording drawn;
  drawn.header = recording.header;
  Journal journal(std::move(drawn), {});
  Silent progress;
  const Plan plan = plan_of(recording);
  EXPECT_TRUE(Search(machine, journal, plan, kNcclVersion, progress).run());
  return journal.recording();
}

}  // namespace vernier::calibrate
