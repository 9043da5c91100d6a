// SPDX-License-Identifier: Apache-2.0
//
// Whether an environment bundle, with a policy of its own, beats no bundle with its policy: pure
// functions of what was measured. docs/measuring.md says why it is done so.
//
//   alone    launches of no bundle and of each bundle in turn, each point as NCCL chooses and with
//            each cell of its table: a bound of what the bundle can give, which spares a search
//   (search) of those that are left: search.hpp, as if the bundle were all there is
//   decide   launches of no bundle and of the searched ones in turn, each with its finished policy
//            through the plugin: nothing that proposed a bundle is among what decides. No bundle
//            also runs the rules that were found under each: a search may have been luckier there
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/bundle.hpp"
#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/traffic.hpp"

namespace vernier::calibrate {

inline constexpr int kAloneRounds = 2;
inline constexpr int kDecidingRounds = 4;
// Numbers of launches of round 0. Round i of no bundle is compared with round i of a bundle.
inline constexpr int kFirstAloneLaunch = 100;
inline constexpr int kFirstDecidingLaunch = 200;

// What a call of a point counts for.
struct Weights {
  std::map<Point, Calls> calls;
  // False: of no traffic. Then each size counts the same, in graphs, and none may regress.
  bool of_traffic = false;
};
// Of the measured points; of no traffic where there is none, or none of its calls was measured.
[[nodiscard]] Weights weigh(const Fit& base, const std::optional<workload::Workload>& traffic,
                            const Shape& shape);

// What a bundle does without a policy.
struct Alone {
  std::vector<double> ratios;  // by round: total time without it over total time with it
  // With the fastest cell and capture at each point, and beyond that the most that rules gained
  // without the bundle: total time of no bundle with its policy over that.
  double at_best = 0;
  std::string hopeless;  // why it is not worth a search; empty: it is
};
// Of the rounds that both have; nullopt: none.
[[nodiscard]] std::optional<Alone> judge_alone(const Recording& base, const Fit& base_fit,
                                               const Recording& bundle, const Weights& weights);

// A pair against no bundle with its policy.
struct Decision {
  RatioInterval total;    // of weighted time; above 1, the bundle is faster. Rounds are launches
  RatioInterval rules;    // the same against no bundle with the rules of the bundle's policy
  RatioInterval eager;    // the same of eager calls alone
  RatioInterval nothing;  // as `total`, against no bundle without a policy
  std::vector<std::string> regressions;  // "allreduce 1MiB (graph) 0.71 times as fast"
  bool wins = false;
  std::string why_not;  // empty where it wins
};
// By digest: what was run.
struct Opponents {
  std::string base;    // no bundle with its policy
  std::string rules;   // no bundle with the rules of the bundle's policy: without_bundle()
  std::string bundle;  // the bundle with its policy
};
// nullopt: these have not been compared in all rounds.
[[nodiscard]] std::optional<Decision> decide(const Recording& base, const Recording& bundle,
                                             const Opponents& opponents, const Weights& weights);

// The rules that were found under a bundle, for the environment of `base`, where they apply
// whatever NCCL's own choice is.
[[nodiscard]] Policy without_bundle(const Policy& policy, const Policy& base);

struct BundleResult {
  Bundle bundle;
  std::string rejected;  // why it cannot be used at all; empty: it can
  std::optional<Alone> alone;
  double added_mib = 0;    // GPU memory that a communicator takes more, without a policy
  std::optional<Fit> fit;  // its policy, where one was searched
  std::optional<Decision> decision;
};
struct Trial {
  std::vector<BundleResult> bundles;  // in the header's order
  // That which wins, with the least time; nullptr: no bundle.
  [[nodiscard]] const BundleResult* best() const;
};
[[nodiscard]] Trial judge_bundles(const Recording& recording, const Fit& base_fit,
                                  const FitOptions& options, const Weights& weights);

// Whether a search for its own policy has come as far as judging.
[[nodiscard]] bool is_searched(const Recording& bundle);

// Which are worth a search, the most promising first.
[[nodiscard]] std::vector<std::size_t> worth_searching(const Trial& trial);

// Seconds that trying so many takes, before anything is known of the machine; at most `searched` of
// them get a policy.
[[nodiscard]] double rough_trial_s(const Plan& plan, std::size_t bundles, std::size_t searched);

// Of one point in a launch that looks at a bundle alone: about six cells of two captures, with
// their checks.
inline constexpr double kAlonePointS = 0.07;

// Why it must not be run on this machine; empty: it may.
[[nodiscard]] std::string find_danger(const Bundle& bundle, const Recording& base);

}  // namespace vernier::calibrate
