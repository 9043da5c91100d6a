// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

// A recording that grows: every record goes to the file before anything else is measured, so that
// whatever ends the process loses one record at most.
class Journal {
 public:
  using Sink = std::function<void(const std::string& line)>;

  // `sink` writes one line; empty where nothing is kept.
  Journal(Recording recording, Sink sink)
      : recording_(std::move(recording)), sink_(std::move(sink)) {}

  [[nodiscard]] const Recording& recording() const { return recording_; }

  void add(LaunchRecord record) { keep(recording_.launches, std::move(record)); }
  void add(SurveyRecord record) { keep(recording_.surveys, std::move(record)); }
  void add(SwitchRecord record) { keep(recording_.switches, std::move(record)); }
  void add(CheckRecord record) { keep(recording_.checks, std::move(record)); }
  void add(SampleRecord record) { keep(recording_.samples, std::move(record)); }
  void add(MemoryRecord record) { keep(recording_.memory, std::move(record)); }
  void add(FloorRecord record) { keep(recording_.floors, std::move(record)); }
  void add(RejectionRecord record) { keep(recording_.rejections, std::move(record)); }

 private:
  template <typename Record>
  void keep(std::vector<Record>& records, Record record) {
    if (sink_) sink_(to_json(record).dump());
    records.push_back(std::move(record));
  }

  Recording recording_;
  Sink sink_;
};

}  // namespace vernier::calibrate
