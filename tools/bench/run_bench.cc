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

bool says_something(const Policy& policy, const Point& point, int ranks, int nodes) {
  return std::any_of(policy.rules.begin(), policy.rules.end(), [&](const Rule& rule) {
    return rule.collective == point.collective && rule.matches_shape(ranks, nodes) &&
           rule.matches_bytes(point.nbytes) && rule.is_aligned(point.nbytes, ranks);
  });
}

// One environment: as it is, or under a bundle.
struct Side {
  const calibrate::Bundle* bundle;  // nullptr: none
  bool has_policy;                  // whose [environment] is met here
  std::vector<Samples> samples;     // by point
  std::string problem = {};         // why the bundle cannot be used
};

class Bench {
 public:
  Bench(const Options& options, calibrate::LaunchSetup setup, calibrate::Agents& agents,
        std::vector<Point> points, std::vector<Side> sides)
      : options_(options),
        setup_(std::move(setup)),
        agents_(agents),
        points_(std::move(points)),
        sides_(std::move(sides)),
        progress_(options.quiet) {
    for (Side& side : sides_) side.samples.resize(points_.size());
  }

  // False where it was stopped.
  bool run(const std::string& plugin, const std::string& inline_policy) {
    for (int launch = 0; launch < options_.launches; ++launch) {
      for (Side& side : sides_) {
        if (!side.problem.empty()) continue;
        try {
          if (!run(launch, side, plugin, inline_policy)) return false;
        } catch (const MachineError& error) {
          if (side.bundle == nullptr) throw;
          side.problem = error.what();
        }
      }
    }
    return true;
  }

  [[nodiscard]] const std::vector<Point>& points() const { return points_; }
  [[nodiscard]] const std::vector<Side>& sides() const { return sides_; }

 private:
  bool run(int launch, Side& side, const std::string& plugin, const std::string& inline_policy) {
    const std::string what =
        fmt::format("launch {} of {}{}", launch + 1, options_.launches,
                    side.bundle == nullptr ? "" : ", bundle " + side.bundle->name);
    progress_.show(what + ": starting");
    calibrate::LaunchSetup setup = setup_;
    if (side.bundle != nullptr) {
      for (const auto& [name, value] : side.bundle->variables) setup.environment[name] = value;
    }
    calibrate::GpuMachine machine(std::move(setup), kHangLimitS, agents_);
    if (side.has_policy) {
      (void)machine.start_confirming(launch, plugin, inline_policy);
    } else {
      (void)machine.start_launch(launch, false);
    }
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (progress_.stopped()) return false;
      progress_.show(fmt::format("{}: {}", what, calibrate::describe(points_[i])));
      measure(machine, points_[i], side.has_policy ? 2 : 1, side.samples[i]);
    }
    return true;
  }

  void measure(calibrate::GpuMachine& machine, const Point& point, std::size_t arms,
               Samples& samples) {
    using calibrate::Mode;
    if (samples.pilot_us == 0) {
      const auto pilot = ask(machine, point, arms, Mode::graph, 1, kPilot);
      samples.pilot_us = calibrate::capture_us(pilot[0][0]);
    }
    const auto times_us = ask(machine, point, arms, options_.mode, options_.pairs,
                              calibrate::effort_for(options_.mode, samples.pilot_us));
    calibrate::LaunchPairs& pairs = samples.launches.emplace_back();
    for (std::size_t arm = 0; arm < arms; ++arm) {
      for (const std::vector<float>& replays : times_us[arm]) {
        (arm == 0 ? pairs.reference_us : pairs.candidate_us)
            .push_back(calibrate::capture_us(replays));
        samples.replays_us[arm].insert(samples.replays_us[arm].end(), replays.begin(),
                                       replays.end());
      }
    }
  }

  static std::vector<std::vector<std::vector<float>>> ask(calibrate::GpuMachine& machine,
                                                          const Point& point, std::size_t arms,
                                                          calibrate::Mode mode, int pairs,
                                                          const calibrate::Effort& effort) {
    const std::vector<calibrate::Configuration> ways(arms, calibrate::kDefault);
    calibrate::Answer answer =
        machine.measure({point, ways, mode, pairs, effort.operations, effort.replays});
    if (answer.times_us.empty()) {
      throw MachineError(fmt::format("{}: {}: {}", calibrate::describe(point),
                                     calibrate::name_of(answer.outcome), answer.detail));
    }
    return std::move(answer.times_us);
  }

  const Options& options_;
  calibrate::LaunchSetup setup_;
  calibrate::Agents& agents_;
  std::vector<Point> points_;
  std::vector<Side> sides_;
  calibrate::TerminalProgress progress_;
};

// Whether the plugin would apply the policy in ranks of this environment.
bool is_met(const Policy& policy, const std::map<std::string, std::string>& set) {
  for (const auto& [name, wanted] : policy.environment) {
    const auto found = set.find(name);
    const char* const inherited = std::getenv(name.c_str());
    if (found != set.end() ? found->second != wanted : !inherited || inherited != wanted) {
      return false;
    }
  }
  return true;
}

// No bundle first. There a policy is run even where its environment is not met, if it is all there
// is: the plugin then says why it does not apply.
std::vector<Side> make_sides(const Options& options, const std::optional<Policy>& policy,
                             const calibrate::LaunchSetup& setup) {
  const bool alone = options.bundles.empty();
  std::vector<Side> sides{{nullptr, policy && (alone || is_met(*policy, setup.environment)), {}}};
  for (const calibrate::Bundle& bundle : options.bundles) {
    std::map<std::string, std::string> set = setup.environment;
    for (const auto& [name, value] : bundle.variables) set[name] = value;
    sides.push_back({&bundle, policy && is_met(*policy, set), {}});
  }
  return sides;
}

std::vector<Section> make_sections(const Bench& bench, const std::optional<Policy>& policy,
                                   const std::vector<Row>& empty_rows) {
  std::vector<Section> sections;
  const Side& base = bench.sides().front();
  if (base.has_policy) {
    Section& section = sections.emplace_back(Section{"policy", true, empty_rows});
    for (std::size_t i = 0; i < empty_rows.size(); ++i) {
      compare(section.rows[i], base.samples[i]);
    }
  }
  for (const Side& side : bench.sides()) {
    if (side.bundle == nullptr) continue;
    for (int arm = 0; arm < (side.has_policy ? 2 : 1); ++arm) {
      Section& section = sections.emplace_back(Section{
          side.bundle->name + (arm == 1 ? "+policy" : ""), false, empty_rows, side.problem});
      if (!side.problem.empty()) {
        section.rows.clear();
        break;  // said once
      }
      for (std::size_t i = 0; i < empty_rows.size(); ++i) {
        compare(section.rows[i], base.samples[i], side.samples[i], arm);
      }
    }
    if (policy && !side.has_policy && side.problem.empty()) {
      print_talk(fmt::format(
          "vernier: note: under bundle {} the policy does not apply: its [environment] is not met",
          side.bundle->name));
    }
  }
  return sections;
}

void print(const std::vector<Section>& sections, const Options& options, int ranks) {
  if (options.format == "json") return print_json(json_of(sections, ranks));
  std::string text = options.format == "csv" ? csv_of(sections, ranks) : "";
  if (options.format == "text") {
    for (const Section& section : sections) text += text_of(section, options, ranks) + "\n\n";
  }
  while (text.ends_with('\n')) text.pop_back();
  print_result(text);
}

ExitCode measure_and_print(const Options& options, calibrate::Agents& agents) {
  std::optional<Policy> policy;
  std::optional<std::string> inline_policy = "";
  if (!options.policy.empty()) {
    policy = read_policy(options.policy);
    inline_policy = encode_inline(*policy);
  }
  if (!inline_policy) throw MachineError(options.policy + ": too long to be handed to the ranks");
  const auto compared = read_compared(options.compare);
  const std::string plugin = calibrate::find_plugin(options.plugin);
  if (plugin.empty() && policy)
    throw MachineError("no libnccl-tuner-vernier.so here: name it by --plugin");
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
  const calibrate::LaunchSetup setup =
      calibrate::local_launch(options, nccl.path, ranks, points, scratch.path());
  Bench bench(options, setup, agents, std::move(points), make_sides(options, policy, setup));
  if (!bench.run(plugin, *inline_policy)) {
    print_talk("vernier: stopped");
    return ExitCode::could_not_look;
  }
  std::vector<Row> rows;
  for (const Point& point : bench.points()) {
    Row& row = rows.emplace_back();
    row.point = point;
    row.count = calibrate::extent_of(point, ranks, element_bytes).count;
    row.differs = policy && says_something(*policy, point, ranks, places.nodes);
    const auto found = compared.find(point.nbytes);
    if (found != compared.end()) row.compared_us = found->second;
  }
  const std::vector<Section> sections = make_sections(bench, policy, rows);
  print(sections, options, ranks);
  for (const Section& section : sections) {
    for (const Row& row : section.rows) {
      if (row.verdict == Verdict::regression) return ExitCode::findings;
    }
  }
  return ExitCode::fine;
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
