// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tools/bench/bench.hpp"
#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/live/agent.hpp"
#include "tools/calibrate/live/agents.hpp"
#include "tools/calibrate/live/confirm_policy.hpp"
#include "tools/calibrate/live/find_nccl.hpp"
#include "tools/calibrate/live/gpu_machine.hpp"
#include "tools/calibrate/live/local_ranks.hpp"
#include "tools/calibrate/live/nccl_library.hpp"
#include "tools/calibrate/live/test_data.hpp"
#include "tools/calibrate/machine_error.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/terminal_progress.hpp"
#include "tools/common/input.hpp"
#include "vernier/policy.hpp"

namespace vernier::bench {
namespace {

using calibrate::MachineError;
using calibrate::Point;

constexpr double kHangLimitS = 30;
constexpr calibrate::Effort kPilot{4, 3};

// Where ranks write what goes wrong; gone when all is well.
class Scratch {
 public:
  Scratch() {
    std::string path = (std::filesystem::temp_directory_path() / "vernier-bench.XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw MachineError("no temporary folder can be made");
    path_ = path;
  }
  ~Scratch() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Policy read_policy(const std::string& file) {
  const Input input = read_input(file, kMaxPolicyBytes);
  if (!input.problem.empty()) throw MachineError(fmt::format("{}: {}", file, input.problem));
  auto parsed = parse_policy(input.text);
  if (!parsed.policy) {
    throw MachineError(fmt::format("{}: no policy; `vernier policy check` says why", file));
  }
  return std::move(*parsed.policy);
}

std::map<std::uint64_t, double> read_compared(const std::string& file) {
  if (file.empty()) return {};
  const Input input = read_input(file, std::size_t{1} << 26);
  if (!input.problem.empty()) throw MachineError(fmt::format("{}: {}", file, input.problem));
  try {
    return parse_nccl_tests(input.text);
  } catch (const std::runtime_error& error) {
    throw MachineError(fmt::format("{}: {}", file, error.what()));
  }
}

// Times of both at one point: by launch, and all replays.
struct Samples {
  double pilot_us = 0;
  std::vector<calibrate::LaunchPairs> launches;
  std::vector<double> replays_us[2];
};

bool says_something(const Policy& policy, const Point& point, int ranks, int nodes) {
  return std::any_of(policy.rules.begin(), policy.rules.end(), [&](const Rule& rule) {
    return rule.collective == point.collective && rule.matches_shape(ranks, nodes) &&
           rule.min_bytes <= point.nbytes && point.nbytes <= rule.max_bytes;
  });
}

Times times_of(const Samples& samples, int arm) {
  std::vector<double> captures_us;
  for (const calibrate::LaunchPairs& launch : samples.launches) {
    const auto& us = arm == 0 ? launch.reference_us : launch.candidate_us;
    captures_us.insert(captures_us.end(), us.begin(), us.end());
  }
  std::vector<double> all = samples.replays_us[arm];
  std::sort(all.begin(), all.end());
  const auto last = static_cast<double>(all.size() - 1);
  return {calibrate::median(std::move(captures_us)),
          all[static_cast<std::size_t>(std::ceil(0.99 * last))]};
}

Row row_of(const Point& point, const Samples& samples, const Policy& policy,
           const std::map<std::uint64_t, double>& compared, int ranks, int nodes,
           std::uint32_t element_bytes) {
  Row row;
  row.point = point;
  row.count = calibrate::extent_of(point, ranks, element_bytes).count;
  row.has_rule = says_something(policy, point, ranks, nodes);
  row.own = times_of(samples, 0);
  row.tuned = times_of(samples, 1);
  row.ratio = calibrate::ratio_interval(samples.launches);
  // Without a rule both run the same: what differs is noise.
  if (row.has_rule && row.ratio.high95 < calibrate::kRegression) row.verdict = Verdict::regression;
  if (row.has_rule && row.ratio.low95 > 1) row.verdict = Verdict::faster;
  const auto found = compared.find(point.nbytes);
  if (found != compared.end()) row.compared_us = found->second;
  return row;
}

class Bench {
 public:
  Bench(const Options& options, calibrate::GpuMachine& machine, std::vector<Point> points)
      : options_(options),
        machine_(machine),
        points_(std::move(points)),
        samples_(points_.size()),
        progress_(options.quiet) {}

  // False where it was stopped.
  bool run(const std::string& plugin, const std::string& inline_policy) {
    for (int launch = 0; launch < options_.launches; ++launch) {
      progress_.show(fmt::format("launch {} of {}: starting", launch + 1, options_.launches));
      (void)machine_.start_confirming(launch, plugin, inline_policy);
      for (std::size_t i = 0; i < points_.size(); ++i) {
        if (progress_.stopped()) return false;
        progress_.show(fmt::format("launch {} of {}: {}", launch + 1, options_.launches,
                                   calibrate::describe(points_[i])));
        measure(points_[i], samples_[i]);
      }
    }
    return true;
  }

  [[nodiscard]] const std::vector<Point>& points() const { return points_; }
  [[nodiscard]] const std::vector<Samples>& samples() const { return samples_; }

 private:
  void measure(const Point& point, Samples& samples) {
    using calibrate::Mode;
    if (samples.pilot_us == 0) {
      const auto pilot = ask(point, Mode::graph, 1, kPilot);
      samples.pilot_us = calibrate::capture_us(pilot[0][0]);
    }
    const auto times_us = ask(point, options_.mode, options_.pairs,
                              calibrate::effort_for(options_.mode, samples.pilot_us));
    calibrate::LaunchPairs& pairs = samples.launches.emplace_back();
    for (std::size_t arm = 0; arm < 2; ++arm) {
      for (const std::vector<float>& replays : times_us[arm]) {
        (arm == 0 ? pairs.reference_us : pairs.candidate_us)
            .push_back(calibrate::capture_us(replays));
        samples.replays_us[arm].insert(samples.replays_us[arm].end(), replays.begin(),
                                       replays.end());
      }
    }
  }

  std::vector<std::vector<std::vector<float>>> ask(const Point& point, calibrate::Mode mode,
                                                   int pairs, const calibrate::Effort& effort) {
    calibrate::Answer answer = machine_.measure({point,
                                                 {calibrate::kDefault, calibrate::kDefault},
                                                 mode,
                                                 pairs,
                                                 effort.operations,
                                                 effort.replays});
    if (answer.times_us.empty()) {
      throw MachineError(fmt::format("{}: {}: {}", calibrate::describe(point),
                                     calibrate::name_of(answer.outcome), answer.detail));
    }
    return std::move(answer.times_us);
  }

  const Options& options_;
  calibrate::GpuMachine& machine_;
  std::vector<Point> points_;
  std::vector<Samples> samples_;
  calibrate::TerminalProgress progress_;
};

void print(const std::vector<Row>& rows, const Options& options, int ranks) {
  if (options.format == "json") return print_json(json_of(rows, ranks));
  std::string text = options.format == "csv" ? csv_of(rows, ranks) : text_of(rows, options, ranks);
  if (text.ends_with('\n')) text.pop_back();
  print_result(text);
}

ExitCode measure_and_print(const Options& options, calibrate::Agents& agents) {
  const Policy policy = read_policy(options.policy);
  const auto inline_policy = encode_inline(policy);
  if (!inline_policy) throw MachineError(options.policy + ": too long to be handed to the ranks");
  const auto compared = read_compared(options.compare);
  const std::string plugin = calibrate::find_plugin(options.plugin);
  if (plugin.empty()) throw MachineError("no libnccl-tuner-vernier.so here: name it by --plugin");
  const calibrate::NcclLibrary nccl = calibrate::open_nccl(calibrate::find_nccl(options.nccl).file);
  const calibrate::RankPlaces places =
      calibrate::place_ranks(options.ranks, options.emulate_nodes, agents);
  const int ranks = places.ranks;
  const std::uint32_t element_bytes =
      calibrate::find_data_type(options.data_type).value().element_bytes;
  std::vector<Point> points = calibrate::make_points(
      options.collectives, calibrate::parse_sizes(options.sizes), ranks, element_bytes);
  if (points.empty()) throw MachineError("no size is as large as one element on each rank");

  const Scratch scratch;
  calibrate::GpuMachine machine(
      calibrate::local_launch(options, nccl.path, ranks, points, scratch.path()), kHangLimitS,
      agents);
  Bench bench(options, machine, std::move(points));
  if (!bench.run(plugin, *inline_policy)) {
    print_talk("vernier: stopped");
    return ExitCode::could_not_look;
  }
  std::vector<Row> rows;
  for (std::size_t i = 0; i < bench.points().size(); ++i) {
    rows.push_back(row_of(bench.points()[i], bench.samples()[i], policy, compared, ranks,
                          places.nodes, element_bytes));
  }
  print(rows, options, ranks);
  const bool regresses = std::any_of(
      rows.begin(), rows.end(), [](const Row& row) { return row.verdict == Verdict::regression; });
  return regresses ? ExitCode::findings : ExitCode::fine;
}

}  // namespace

ExitCode run_bench(const Options& options) {
  // For everything that looks at it, as in calibrate.
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  if (options.task && options.task->rank > 0) {
    return calibrate::serve_as_agent(options, options.plugin);
  }
  calibrate::Agents agents;  // outlives the error messages, as in calibrate
  try {
    if (options.task) agents.gather(options, options.plugin);
    (void)calibrate::cuda_driver();
    return measure_and_print(options, agents);
  } catch (const calibrate::RollCallError& error) {
    print_talk(std::string("vernier bench: error: ") + error.what());
    if (options.format == "json") print_json(error.details());
    return ExitCode::could_not_look;
  } catch (const std::exception& error) {
    print_talk(std::string("vernier bench: error: ") + error.what());
    return ExitCode::could_not_look;
  }
}

}  // namespace vernier::bench
