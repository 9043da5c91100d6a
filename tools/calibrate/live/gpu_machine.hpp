// SPDX-License-Identifier: Apache-2.0
//
// GPUs, of this machine or of all tasks of a launcher, as a search sees them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tools/calibrate/live/agents.hpp"
#include "tools/calibrate/live/nccl_log.hpp"
#include "tools/calibrate/live/rank_processes.hpp"
#include "tools/calibrate/machine.hpp"
#include "tools/calibrate/plan.hpp"

namespace vernier::calibrate {

class GpuMachine : public Machine {
 public:
  // `limit_s`: a check, or 25 captures, that take longer hang. `agents`, which outlive this, start
  // the ranks of the other tasks; where none were gathered, there are none.
  GpuMachine(LaunchSetup setup, double limit_s, Agents& agents);

  LaunchRecord start_launch(int launch, bool audited) override;
  SurveyRecord survey(const Point& point) override;
  CheckRecord check(const Point& point, const Configuration& configuration) override;
  Answer measure(const Request& request) override;
  double used_mib() override;
  [[nodiscard]] bool knows(const Point&, const Configuration&) const override { return true; }

  // For floors (floors.hpp). Where one hangs or crashes, no processes are left: a launch has to be
  // started before anything else is asked.
  Answer measure_wire(int pairs, Effort effort);  // one arm
  // Windows for the buffers of all calls; why there are none, or empty.
  [[nodiscard]] std::string open_windows();
  // NCCL's own choice, and that in the windows.
  Answer measure_windows(const Point& point, int pairs, Effort effort);

  // As start_launch, with the shipped plugin and this policy: from now on measure() takes two arms,
  // NCCL's own choice and the policy, whatever their configurations. `inline_policy` as
  // encode_inline writes it. MachineError where the plugin does not apply it.
  LaunchRecord start_confirming(int launch, const std::string& plugin,
                                const std::string& inline_policy);

 private:
  void start();
  // After a hang or a crash: fresh processes for the same launch.
  void start_again();
  [[nodiscard]] RankProcesses::Answer must_ask(const Command& command);
  // Times of `command`, [arm][pair][replay].
  [[nodiscard]] Answer time(const Command& command);
  [[nodiscard]] Outcome how_it_ended() const;

  LaunchSetup setup_;
  double limit_s_;
  Agents* agents_;  // null: all ranks are here
  LaunchRecord launch_{};
  bool audited_ = false;
  std::string plugin_;  // empty: not confirming
  std::string inline_policy_;
  std::optional<GrowingLog> log_;
  std::unique_ptr<RankProcesses> processes_;
};

}  // namespace vernier::calibrate
