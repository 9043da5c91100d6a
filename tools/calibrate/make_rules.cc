// SPDX-License-Identifier: Apache-2.0
//
// Judged points to rules. A configuration `holds` at a point where it won, or where it did not lose
// though it won at calibrated sizes on both sides. A rule is a run of points at which one
// configuration holds, from a win to a win; it is cut where NCCL's own choice changes.
#include <algorithm>
#include <cmath>

#include "tools/calibrate/fit.hpp"

namespace vernier::calibrate {
namespace {

bool wins(const JudgedArm* arm) { return arm != nullptr && arm->standing == Standing::win; }

// At a size that was asked for, a tie keeps the default.
bool holds(const JudgedArm* arm, bool halfway) {
  if (wins(arm)) return true;
  return halfway && arm != nullptr && arm->standing == Standing::tie && arm->graph.ratio >= 1.0;
}

// In logarithms of ratios: one more rule has to gain 1.5 % at a point. Few, wide rules are easier
// to trust than many.
constexpr double kCostOfARun = 0.015;

// NCCL's simple protocol takes up to half as long again where the part of a rank is no multiple of
// so many bytes (docs/measurements.md). Models send such sizes hardly ever.
constexpr int kAlignmentOfSimple = 16;

struct Run {
  Configuration configuration;
  std::size_t first;  // indices of points
  std::size_t last;
  std::uint64_t min_bytes;
  std::uint64_t max_bytes;
};

class RuleMaker {
 public:
  RuleMaker(const std::vector<JudgedPoint>& points, const std::vector<SwitchRecord>& switches,
            int ranks, int nodes)
      : points_(points), switches_(switches), ranks_(ranks), nodes_(nodes) {
    std::sort(switches_.begin(), switches_.end(),
              [](const auto& a, const auto& b) { return a.point < b.point; });
  }

  std::vector<Rule> make() {
    std::size_t first = 0;
    for (std::size_t i = 1; i <= points_.size(); ++i) {
      if (i < points_.size() && points_[i].point.collective == points_[first].point.collective) {
        continue;
      }
      std::vector<Run> runs = choose_runs(first, i);
      for (std::size_t high = 1; high < runs.size(); ++high) join(runs[high - 1], runs[high]);
      for (const Run& run : runs) cut(run);
      first = i;
    }
    return std::move(rules_);
  }

 private:
  // The runs that save most together, no two of them at one point: best[i] is what points before i
  // can save, and ending[i] the run that then ends just before i.
  [[nodiscard]] std::vector<Run> choose_runs(std::size_t begin, std::size_t end) const {
    std::vector<double> best(end + 1, 0);
    std::vector<std::optional<Run>> ending(end + 1);
    for (std::size_t first = begin; first < end; ++first) {
      if (best[first] >= best[first + 1]) {
        best[first + 1] = best[first];
        ending[first + 1].reset();
      }
      for (const JudgedArm& arm : points_[first].arms) {
        if (!wins(&arm)) continue;
        double saved = best[first] - kCostOfARun;
        for (std::size_t last = first; last < end; ++last) {
          const JudgedArm* const same = find_arm(points_[last], arm.configuration);
          if (!holds(same, points_[last].halfway)) break;
          saved += std::log(same->graph.ratio);
          if (!wins(same) || saved <= best[last + 1]) continue;
          best[last + 1] = saved;
          ending[last + 1] = Run{arm.configuration, first, last, points_[first].point.nbytes,
                                 points_[last].point.nbytes};
        }
      }
    }
    std::vector<Run> runs;
    for (std::size_t i = end; i > begin; i = ending[i] ? ending[i]->first : i - 1) {
      if (ending[i]) runs.push_back(*ending[i]);
    }
    std::reverse(runs.begin(), runs.end());
    return runs;
  }

  // What lies between neighbouring runs goes to the one that won at both ends.
  void join(Run& low, Run& high) const {
    if (low.last + 1 != high.first) return;
    if (wins(find_arm(points_[high.first], low.configuration))) {
      low.last = high.first;
      low.max_bytes = high.min_bytes - 1;
    } else if (wins(find_arm(points_[low.last], high.configuration))) {
      high.first = low.last;
      high.min_bytes = low.max_bytes + 1;
    }
  }

  // One rule for each stretch of one own choice. Where it is not known at which size that changes,
  // what lies between stays with NCCL.
  void cut(const Run& run) {
    std::uint64_t from = run.min_bytes;
    Choice own = points_[run.first].own;
    const auto end_stretch = [&](std::uint64_t to, std::uint64_t next_from, Choice next_own) {
      add(run, own, from, std::min(to, run.max_bytes));
      from = std::max(next_from, run.min_bytes);
      own = next_own;
    };
    for (std::size_t i = run.first; i < run.last; ++i) {
      const JudgedPoint& low = points_[i];
      const JudgedPoint& high = points_[i + 1];
      for (const SwitchRecord& found : switches_) {
        if (found.point.collective != low.point.collective || found.point <= low.point) continue;
        if (high.point < found.point) continue;
        end_stretch(found.point.nbytes - 1, found.point.nbytes, found.own);
      }
      if (own != high.own) end_stretch(low.point.nbytes, high.point.nbytes, high.own);
    }
    add(run, own, from, run.max_bytes);
  }

  void add(const Run& run, Choice own, std::uint64_t from, std::uint64_t to) {
    if (from > to) return;
    const Configuration& configuration = run.configuration;
    if (*configuration.choice == own && configuration.channels == 0) return;  // NCCL does that
    Rule rule{};
    rule.collective = points_[run.first].point.collective;
    rule.min_bytes = from;
    rule.max_bytes = to;
    rule.ranks = ranks_;
    rule.nodes = nodes_;
    rule.instead_of = own;
    rule.choice = *configuration.choice;
    if (configuration.channels > 0) rule.channels = configuration.channels;
    if (is_of_aligned_sizes(run)) rule.alignment = kAlignmentOfSimple;
    rule.evidence = weakest(run, own, from, to);
    if (rule.evidence) rules_.push_back(rule);
  }

  // Whether nothing that was judged says how the run does at sizes that simple does not like.
  [[nodiscard]] bool is_of_aligned_sizes(const Run& run) const {
    if (!has_parts(points_[run.first].point.collective)) return false;
    if (run.configuration.choice->protocol != Protocol::simple) return false;
    const auto unit_bytes = static_cast<std::uint64_t>(kAlignmentOfSimple * ranks_);
    return std::all_of(&points_[run.first], &points_[run.last] + 1, [&](const JudgedPoint& judged) {
      return judged.point.nbytes % unit_bytes == 0;
    });
  }

  // Of the point where the rule gains least; the samples of all its points. A stretch that holds no
  // judged point rests on those where the configuration won instead of the same choice; without
  // any, there is no evidence.
  [[nodiscard]] std::optional<Evidence> weakest(const Run& run, Choice own, std::uint64_t from,
                                                std::uint64_t to) const {
    for (const bool inside : {true, false}) {
      const JudgedPoint* least = nullptr;
      std::int64_t samples = 0;
      for (std::size_t i = run.first; i <= run.last; ++i) {
        const JudgedPoint& judged = points_[i];
        const bool is_inside = from <= judged.point.nbytes && judged.point.nbytes <= to;
        if (judged.own != own || is_inside != inside) continue;
        const RatioInterval& graph = find_arm(judged, run.configuration)->graph;
        samples += graph.pairs;
        if (least == nullptr || graph.low95 < find_arm(*least, run.configuration)->graph.low95) {
          least = &judged;
        }
      }
      if (least != nullptr) return evidence_of(*least, run.configuration, samples);
    }
    return std::nullopt;
  }

  [[nodiscard]] static Evidence evidence_of(const JudgedPoint& judged,
                                            const Configuration& configuration,
                                            std::int64_t samples) {
    const auto rounded = [](double value, double per_unit) {
      return std::round(value * per_unit) / per_unit;
    };
    const JudgedArm& arm = *find_arm(judged, configuration);
    Evidence evidence;
    evidence.default_us = rounded(judged.default_us, 100);
    evidence.tuned_us = rounded(arm.tuned_us, 100);
    evidence.ratio_low = rounded(arm.graph.low95, 1000);
    evidence.ratio_high = rounded(arm.graph.high95, 1000);
    evidence.samples = samples;
    return evidence;
  }

  const std::vector<JudgedPoint>& points_;
  std::vector<SwitchRecord> switches_;  // by point
  int ranks_;
  int nodes_;
  std::vector<Rule> rules_;
};

}  // namespace

std::vector<Rule> make_rules(const std::vector<JudgedPoint>& points,
                             const std::vector<SwitchRecord>& switches, int ranks, int nodes) {
  return RuleMaker(points, switches, ranks, nodes).make();
}

}  // namespace vernier::calibrate
