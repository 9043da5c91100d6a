// SPDX-License-Identifier: Apache-2.0
//
// Judged points to rules. A configuration `holds` at a point where it won, or where it did not lose
// though it won at calibrated sizes on both sides. A rule is a run of points at which one
// configuration holds, from the first win to the last; it is cut where NCCL's own choice changes.
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
      std::vector<Run> runs = find_runs(first, i);
      settle_overlaps(runs);
      for (const Run& run : runs) cut(run);
      first = i;
    }
    return std::move(rules_);
  }

 private:
  [[nodiscard]] std::vector<Run> find_runs(std::size_t begin, std::size_t end) const {
    std::vector<Run> runs;
    for (std::size_t i = begin; i < end; ++i) {
      for (const JudgedArm& arm : points_[i].arms) {
        if (!wins(&arm) || is_inside(runs, arm.configuration, i)) continue;
        Run run{arm.configuration, i, i, 0, 0};
        for (std::size_t next = i + 1; next < end; ++next) {
          const JudgedArm* const same = find_arm(points_[next], arm.configuration);
          if (!holds(same, points_[next].halfway)) break;
          if (wins(same)) run.last = next;
        }
        run.min_bytes = points_[run.first].point.nbytes;
        run.max_bytes = points_[run.last].point.nbytes;
        runs.push_back(run);
      }
    }
    return runs;
  }

  static bool is_inside(const std::vector<Run>& runs, const Configuration& configuration,
                        std::size_t point) {
    return std::any_of(runs.begin(), runs.end(), [&](const Run& run) {
      return run.configuration == configuration && run.first <= point && point <= run.last;
    });
  }

  // Runs meet at points where more than one configuration won: the better one keeps the point, and
  // the other begins or ends beside it.
  void settle_overlaps(std::vector<Run>& runs) const {
    std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) {
      return std::pair(a.first, a.last) < std::pair(b.first, b.last);
    });
    for (std::size_t i = 0; i < runs.size(); ++i) {
      for (std::size_t j = i + 1; j < runs.size(); ++j) {
        Run& low = runs[i];
        Run& high = runs[j];
        if (low.max_bytes < low.min_bytes || high.min_bytes > low.max_bytes) continue;
        const JudgedPoint& meeting = points_[high.first];
        const JudgedArm* const a = find_arm(meeting, low.configuration);
        const JudgedArm* const b = find_arm(meeting, high.configuration);
        const bool low_is_better = a != nullptr && b != nullptr && a->graph.ratio >= b->graph.ratio;
        if (low_is_better || high.last < low.last) {
          high.min_bytes = low.max_bytes + 1;
        } else {
          low.max_bytes = high.min_bytes - 1;
        }
      }
    }
    std::erase_if(runs, [](const Run& run) { return run.min_bytes > run.max_bytes; });
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
    rule.evidence = weakest(run, own, from, to);
    if (rule.evidence) rules_.push_back(rule);
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
