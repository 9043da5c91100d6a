// SPDX-License-Identifier: Apache-2.0
//
// A machine made of samples that a real one gave. A launch draws one recorded judging launch (at
// points that it did not judge another, and of ways that were never judged any), a capture one
// recorded capture, so that what differs from launch to launch and from capture to capture (two
// levels, at times) differs here too. Half of the pairs are kept back: a result is judged by what
// those say, which no search has drawn (replay_truth.hpp).
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "tools/calibrate/machine.hpp"

namespace vernier::calibrate {

// Two pairs are drawn from, the next two are kept back: rounds run forwards and backwards in turn,
// and both halves need both. Every other launch begins with those kept back. Of graphs only: what
// is best is not asked elsewhere.
[[nodiscard]] bool is_kept_back(const SampleRecord& record, std::size_t pair);

class RecordedMachine : public Machine {
 public:
  // `null`: every configuration draws NCCL's own choice's samples, of another launch than the
  // default does: then nothing is to be won, and whatever wins is a false win.
  enum class Truth { as_recorded, null };
  RecordedMachine(const Recording& recording, std::uint64_t seed, Truth truth);

  LaunchRecord start_launch(int launch, bool audited) override;
  SurveyRecord survey(const Point& point) override;
  CheckRecord check(const Point& point, const Configuration& configuration) override;
  Answer measure(const Request& request) override;
  double used_mib() override;
  [[nodiscard]] bool knows(const Point& point, const Configuration& configuration) const override;

 private:
  using Series = std::map<int, std::vector<std::vector<float>>>;  // captures, by recorded launch
  using Key = std::tuple<Point, Mode, std::string>;

  [[nodiscard]] const Series* find(const Point& point, Mode mode, const std::string& name) const;
  // The wanted one, or one at random where there is nothing of that.
  [[nodiscard]] int launch_of(const Series& series, int wanted_launch);

  const Recording& recording_;
  std::map<Key, Series> series_;                           // to draw from
  std::map<std::tuple<Point, Mode, int>, double> own_us_;  // NCCL's own choice in a launch
  std::vector<int> judging_launches_;
  std::mt19937_64 random_;
  Truth truth_;
  LaunchRecord launch_{};
  int default_launch_ = 0;    // recorded launch that NCCL's own choice draws from
  int candidate_launch_ = 0;  // recorded launch that candidates draw from
  std::map<Algorithm, double> added_mib_;
  std::map<Algorithm, double> taken_mib_;
};

}  // namespace vernier::calibrate
