// SPDX-License-Identifier: Apache-2.0
//
// Environment bundles on the GPUs of this machine, in the steps of bundles/trial.hpp. Processes of
// one environment run at a time: a bundle is set in the ranks alone, never here.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/trial.hpp"
#include "tools/calibrate/journal.hpp"
#include "tools/calibrate/live/gpu_machine.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/progress.hpp"

namespace vernier::calibrate {

struct TrialSetup {
  LaunchSetup launch;  // of no bundle
  double hang_limit_s;
  Agents& agents;
  std::string plugin;  // libnccl-tuner-vernier.so
  int nccl_version;
  std::size_t most_searched;
  double max_extra_mib;
  std::chrono::steady_clock::time_point started;  // what the plan's budget counts from
};

class BundleTrials {
 public:
  // `base`: finished, with its policy confirmed; the bundles of its recording are gone on with.
  // `sink` takes lines as that of `base` does. `weights` and `base_fit` are of `base`.
  BundleTrials(TrialSetup setup, Journal& base, const Journal::Sink& sink, const Plan& plan,
               const Fit& base_fit, const Weights& weights, Progress& progress);

  // False when it was stopped before its end. MachineError: nothing runs any more, no bundle
  // either. What fails under a bundle only rejects that bundle.
  [[nodiscard]] bool run();

  // All that was seen, of bundles too.
  [[nodiscard]] Recording recording() const;

 private:
  struct Tried {
    Bundle bundle;
    Journal journal;
  };

  [[nodiscard]] Trial judge() const;
  [[nodiscard]] bool budget_is_spent() const;
  [[nodiscard]] std::unique_ptr<GpuMachine> make_machine(const Bundle* bundle) const;
  template <typename Work>
  void unless_rejected(Tried& tried, Work work);

  void measure_alone(int round);
  void measure_alone(int round, Journal& journal, const Bundle* bundle);
  [[nodiscard]] std::vector<Configuration> cells(int round, const Journal& journal,
                                                 const Point& point) const;
  void search(Tried& tried);
  void decide(int round, const std::vector<std::size_t>& finalists);
  void decide(int launch, Journal& journal, const Bundle* bundle, const Policy& policy);
  void keep(Journal& journal, SampleRecord record, Answer answer) const;
  [[nodiscard]] double expected_us(const Point& point) const;

  TrialSetup setup_;
  Journal& base_;
  const Plan& plan_;
  const Fit& base_fit_;
  const Weights& weights_;
  Progress& progress_;
  std::vector<Tried> tried_;
};

}  // namespace vernier::calibrate
