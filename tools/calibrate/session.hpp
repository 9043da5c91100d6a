// SPDX-License-Identifier: Apache-2.0
//
// The folder of a calibration: measurements.jsonl grows in it, policy.toml appears at the end.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "tools/calibrate/bundles/trial.hpp"
#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/floors.hpp"
#include "tools/calibrate/gain.hpp"
#include "tools/calibrate/journal.hpp"
#include "tools/calibrate/plan.hpp"

namespace vernier::calibrate {

// A file that only grows, one whole line at a time.
class LineFile {
 public:
  // Keeps the first `keep_bytes` of what is there. Throws std::runtime_error.
  LineFile(const std::string& path, std::size_t keep_bytes);
  void add(const std::string& line);

 private:
  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// Where two headers differ in what decides whether their measurements belong together: "nccl:
// 2.28.9 there, 2.28.3 here"; empty when they do belong together.
[[nodiscard]] std::string header_difference(const Json& there, const Json& here);

// The plan that a header states. Throws std::runtime_error where it does not.
[[nodiscard]] Plan plan_of(const Recording& recording);

// What a recording comes to.
struct Conclusion {
  Fit fit;                               // of no bundle
  Floors floors;                         // beside it
  std::optional<Prediction> prediction;  // of `fit`, for the traffic
  std::optional<Trial> trial;            // of its bundles, where it has any
  Weights weights;                       // of the trial
};
// `bundles`: whether those of the recording count.
[[nodiscard]] Conclusion judge_all(const Recording& recording, const FitOptions& options,
                                   const std::optional<workload::Workload>& traffic,
                                   const Shape& shape, bool bundles);

// Writes the policy, of the bundle that won where one did, and says what came of it, to stdout.
// Returns false when the file cannot be written; that is said too.
[[nodiscard]] bool conclude(const Conclusion& conclusion, const std::string& policy_path,
                            bool json);

}  // namespace vernier::calibrate
