// SPDX-License-Identifier: Apache-2.0
//
// The order in which things are measured. Three steps, each on launches of its own, so that no
// sample both proposes a configuration and judges it:
//
//   1. screen     launch 0: every candidate of every point is checked and timed, a few captures
//   2. races      launches 1 to 3: the best eight, four and two of each point again (race.hpp); one
//                 pick remains
//   3. judge      launches 4..: the pick against NCCL's own choice, at every point and halfway
//                 between; beside it NCCL's own choice once more (the null run), and eager calls.
//                 What is settled after kFirstLook launches is not measured in the rest of them,
//                 which look, too, halfway again between a win and what is none
//
// Everything goes through the journal: what it already holds is not measured again.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/journal.hpp"
#include "tools/calibrate/machine.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/progress.hpp"

namespace vernier::calibrate {

class Search {
 public:
  // `after_judging` is called at the end of each judging launch whose processes run. They are not
  // used afterwards, so it may ruin them.
  using AfterJudging = std::function<void(int launch)>;
  Search(Machine& machine, Journal& journal, const Plan& plan, int nccl_version, Progress& progress,
         AfterJudging after_judging = {});

  // False when it was stopped before its end. MachineError: the machine cannot be measured.
  [[nodiscard]] bool run();

 private:
  struct Judged {
    Point point;
    std::vector<Configuration> picks;  // none: the null run alone
  };

  void screen();
  void race(int round);
  [[nodiscard]] std::vector<Configuration> promising(const Point& point) const;
  [[nodiscard]] std::vector<Judged> choose();
  [[nodiscard]] std::vector<Judged> everything();
  [[nodiscard]] std::optional<Judged> halfway(const Judged& low, const Judged& high) const;
  [[nodiscard]] Judged worth_halving(const JudgedPoint& judged) const;
  [[nodiscard]] std::vector<Judged> edges(int launch);
  // `launch`, here and below, is started where processes are needed and none run.
  void find_switches(int launch, const std::vector<Judged>& judged);
  void judge(int launch, const std::vector<Judged>& judged);
  [[nodiscard]] int looks_before(int launch, const Point& point) const;
  [[nodiscard]] std::vector<Judged> unsettled(int launch, const std::vector<Judged>& judged) const;
  [[nodiscard]] bool budget_is_spent() const;
  [[nodiscard]] double judging_s(int launch, const std::vector<Judged>& judged);

  void need_launch(int launch);
  const SurveyRecord& surveyed(const Point& point, int launch);
  bool checked(int launch, const Point& point, const Configuration& configuration);
  // False where it failed: then none of these arms is proposed any more.
  bool sample(int launch, Phase phase, Mode mode, const Point& point, int pairs,
              const std::vector<Configuration>& arms, bool with_null);
  // Microseconds of NCCL's own choice, roughly: measured once, in `launch` where it was not before.
  [[nodiscard]] double default_us(int launch, const Point& point);
  void warm_up(int launch, const std::vector<Judged>& judged);
  void use(int launch, const Point& point, const Configuration& configuration);

  Machine& machine_;
  Journal& journal_;
  const Plan& plan_;
  int nccl_version_;
  Progress& progress_;
  AfterJudging after_judging_;
  int running_launch_ = -1;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace vernier::calibrate
