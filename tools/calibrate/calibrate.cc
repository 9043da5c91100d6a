// SPDX-License-Identifier: Apache-2.0
//
// vernier calibrate, on GPUs.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "tools/calibrate/bundles/offer.hpp"
#include "tools/calibrate/live/agent.hpp"
#include "tools/calibrate/live/agents.hpp"
#include "tools/calibrate/live/confirm_policy.hpp"
#include "tools/calibrate/live/find_nccl.hpp"
#include "tools/calibrate/live/fingerprint.hpp"
#include "tools/calibrate/live/gpu_machine.hpp"
#include "tools/calibrate/live/local_ranks.hpp"
#include "tools/calibrate/live/measure_floors.hpp"
#include "tools/calibrate/live/nccl_library.hpp"
#include "tools/calibrate/live/static_tuner.hpp"
#include "tools/calibrate/live/try_bundles.hpp"
#include "tools/calibrate/options.hpp"
#include "tools/calibrate/search.hpp"
#include "tools/calibrate/session.hpp"
#include "tools/calibrate/terminal_progress.hpp"
#include "tools/calibrate/traffic.hpp"
#include "tools/workload/traffic_format.hpp"
#include "vernier/nccl_version.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

void say(const Options& options, const std::string& line) {
  if (!options.quiet) print_talk("vernier: " + line);
}

// As asked for, or those of the traffic; 0: not said.
int asked_ranks(const Options& options, const std::optional<workload::Workload>& profiled) {
  if (!options.model_config.empty()) {
    const int ranks = std::max(options.deployment.tp, options.deployment.dp);
    if (ranks == 1) throw MachineError("--model-config: --tp or --dp has to be above 1");
    return ranks;
  }
  return options.ranks == 0 && profiled ? only_ranks(*profiled) : options.ranks;
}

std::string collectives_text(const std::vector<Collective>& collectives) {
  std::string text;
  for (const Collective collective : collectives) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", name_of(collective));
  }
  return text;
}

std::vector<Collective> collectives_of(const std::vector<Point>& points) {
  std::vector<Collective> collectives;
  for (const Point& point : points) {  // by collective
    if (collectives.empty() || collectives.back() != point.collective) {
      collectives.push_back(point.collective);
    }
  }
  return collectives;
}

// The command line again, without folders: they say nothing of the measurements. Nor does it repeat
// the header's traffic.
Json command_json(const Options& options) {
  Json words{"vernier", "calibrate"};
  const auto add = [&words](const char* name, const std::string& value) {
    words.push_back(name);
    words.push_back(value);
  };
  const auto file_name = [](const std::string& path) {
    return std::filesystem::path(path).filename().string();
  };
  if (!options.model_config.empty()) {
    add("--model-config", file_name(options.model_config));
    add(options.deployment.dp > 1 ? "--dp" : "--tp",
        std::to_string(std::max(options.deployment.tp, options.deployment.dp)));
    add("--engine", std::string(name_of(options.deployment.engine)));
  } else if (!options.from_profile.empty()) {
    add("--from-profile", file_name(options.from_profile));
  } else {
    add("--collectives", collectives_text(options.collectives));
    add("--sizes", options.sizes);
  }
  add("--dtype", options.data_type);
  add("--launches", std::to_string(options.launches));
  add("--pairs", std::to_string(options.pairs));
  if (options.ranks > 0) add("--ranks", std::to_string(options.ranks));
  if (options.emulate_nodes > 1) add("--emulate-nodes", std::to_string(options.emulate_nodes));
  if (options.exhaustive) words.push_back("--exhaustive");
  for (const auto& [name, value] : options.environment) add("--env", name + "=" + value);
  if (!options.env_bundles.empty()) add("--env-bundles", file_name(options.env_bundles));
  for (const Bundle& bundle : options.bundles) {
    add("--env-bundle", bundle.name + ": " + variables_text(bundle));
  }
  if (options.offer_conditional) words.push_back("--offer-conditional");
  return words;
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// What was measured before, if it belongs here; else why it is in the way.
struct Earlier {
  std::optional<Recording> recording;
  std::size_t keep_bytes = 0;
  std::string problem;
};

Earlier look_at_earlier(const std::string& path, const Json& header, bool restart) {
  Earlier earlier;
  if (restart || !std::filesystem::exists(path)) return earlier;
  ReadRecording read = read_recording(path);
  if (!read.recording) {
    earlier.problem = read.problem + "; --restart begins anew";
    return earlier;
  }
  const std::string difference = header_difference(read.recording->header, header);
  if (!difference.empty()) {
    earlier.problem = fmt::format(
        "{} holds other measurements ({}): use another --out, or --restart to begin anew", path,
        difference);
    return earlier;
  }
  earlier.recording = std::move(read.recording);
  earlier.keep_bytes = read.complete_bytes;
  return earlier;
}

std::string default_name(const Json& header, const Plan& plan, int nodes) {
  std::string gpu = header["machine"]["gpu"].get<std::string>();
  if (const std::size_t space = gpu.rfind(' '); space != std::string::npos) {
    gpu = gpu.substr(space + 1);
  }
  std::transform(gpu.begin(), gpu.end(), gpu.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return fmt::format("{}-{}x{}", gpu, nodes, plan.ranks / nodes);
}

void say_what_is_too_large(const Options& options, const workload::Workload& traffic) {
  for (const workload::Size& size : traffic.sizes) {
    if (size.nbytes <= kLargestBytes) continue;
    say(options,
        fmt::format("note: {} is more than {}, and is not measured",
                    describe(Point{size.collective, size.nbytes}), format_bytes(kLargestBytes)));
  }
}

// What is to be measured, where, and for which traffic.
struct Task {
  Json machine;
  std::vector<Bundle> bundles;
  std::optional<workload::Workload> traffic;
  Shape shape{};
  Plan plan;
};

double rough_bundles_s(const Options& options, const Task& task) {
  return task.bundles.empty() ? 0
                              : rough_trial_s(task.plan, task.bundles.size(),
                                              static_cast<std::size_t>(options.search_bundles));
}

void print_plan(const Options& options, const Task& task, const Json& header) {
  const Plan& plan = task.plan;
  print_result(fmt::format(
      "Would measure {} points ({} at {}) on {} ranks, in {} launches of fresh processes: about "
      "{:.0f} s. More sizes are added where a rule would reach between two of these.",
      plan.points.size(), header["plan"]["collectives"].get<std::string>(),
      header["plan"]["sizes"].get<std::string>(), plan.ranks,
      kFirstJudgingLaunch + plan.judging_launches, rough_s(plan)));
  if (task.bundles.empty()) return;
  print_result(fmt::format(
      "Would try {} bundles beside, of which {} at most get a policy of their own: about {:.0f} s "
      "more, less where they are hopeless.",
      task.bundles.size(), options.search_bundles, rough_bundles_s(options, task)));
}

Task make_task(const Options& options, const Agents& agents) {
  Task task;
  if (!options.from_profile.empty()) task.traffic = read_profiled_traffic(options.from_profile);
  Plan& plan = task.plan;
  const RankPlaces places =
      place_ranks(asked_ranks(options, task.traffic), options.emulate_nodes, agents);
  plan.ranks = places.ranks;
  plan.element_bytes = find_data_type(options.data_type).value().element_bytes;
  plan.judging_launches = options.launches;
  plan.pairs = options.pairs;
  plan.exhaustive = options.exhaustive;
  plan.budget_s = options.budget_s;
  task.machine = describe_machine(places.gpus_here);
  task.machine["gpus"] = plan.ranks;
  if (agents.gathered() && agents.hosts() > 1) task.machine["hosts"] = agents.hosts();
  task.shape = {plan.ranks, places.nodes, plan.element_bytes};
  if (!options.model_config.empty()) {
    task.traffic = model_traffic(options, task.machine, places.nodes);
  }
  plan.points = task.traffic ? points_of(*task.traffic, task.shape)
                             : make_points(options.collectives, parse_sizes(options.sizes),
                                           plan.ranks, plan.element_bytes);
  if (plan.points.empty()) throw MachineError("no size is as large as one element on each rank");
  if (task.traffic) say_what_is_too_large(options, *task.traffic);
  return task;
}

std::vector<Bundle> choose_bundles(const Options& options, int nccl_version) {
  std::vector<Bundle> known = read_bundles(options.env_bundles);
  known.insert(known.end(), options.bundles.begin(), options.bundles.end());
  const Json environment = describe_environment();
  std::map<std::string, std::string> set;
  for (const auto& [name, value] : environment.items()) {
    set[name] = value.get<std::string>();
  }
  Offer offer = offer_bundles(known, nccl_version, options.offer_conditional, set);
  for (const std::string& line : offer.left_out) say(options, "bundle " + line);
  return std::move(offer.bundles);
}

Json make_header(const Options& options, const NcclLibrary& nccl, const Task& task) {
  const Plan& plan = task.plan;
  const auto& traffic = task.traffic;
  Json header{{"record", "header"},
              {"schema", kRecordingSchema},
              {"vernier", VERNIER_VERSION},
              {"started", now_text()},
              {"command", command_json(options)},
              {"machine", task.machine},
              {"nccl", {{"version", format_nccl_version(nccl.version)}}},
              {"environment", describe_environment()},
              {"set_environment", Json::object()},
              {"plan",
               {{"ranks", plan.ranks},
                {"emulate_nodes", options.emulate_nodes},
                {"dtype", options.data_type},
                {"element_bytes", plan.element_bytes},
                {"collectives",
                 collectives_text(traffic ? collectives_of(plan.points) : options.collectives)},
                {"sizes", traffic ? traffic->source : options.sizes},
                {"launches", plan.judging_launches},
                {"pairs", plan.pairs}}}};
  if (plan.exhaustive) header["plan"]["exhaustive"] = true;
  if (traffic) header["traffic"] = workload::to_json(*traffic);
  if (!task.bundles.empty()) {
    header["bundles"] = header_of(task.bundles);
    // With more of them a run that goes on would compare launches of different days.
    header["plan"]["search_bundles"] = options.search_bundles;
  }
  // What a policy has to demand: also of emulated nodes, or it would hold on a real cluster of
  // their shape.
  for (const auto& [name, value] : options.environment) header["set_environment"][name] = value;
  for (const auto& [name, value] : emulation(options.emulate_nodes))
    header["set_environment"][name] = value;
  return header;
}

// Without a bundle. False when it was stopped.
bool measure_policy(const Options& options, const Plan& plan, const LaunchSetup& launch,
                    Agents& agents, int nccl_version, const std::string& plugin, Journal& journal,
                    Progress& progress) {
  GpuMachine machine(launch, options.hang_limit_s, agents);
  const auto floors = [&](int number) { measure_floors(machine, journal, plan, number, progress); };
  if (!Search(machine, journal, plan, nccl_version, progress, floors).run()) return false;
  if (plugin.empty()) return true;
  // As it was before anything was confirmed, also where a stopped run goes on.
  const Fit first = fit(journal.recording(), {options.name, options.max_extra_mib, false});
  return first.policy.rules.empty() ||
         confirm_policy(machine, journal, plan, first, plugin, progress);
}

ExitCode measure_and_fit(const Options& options, const NcclLibrary& nccl, Agents& agents) {
  const auto started = std::chrono::steady_clock::now();
  Task task = make_task(options, agents);
  task.bundles = choose_bundles(options, nccl.version);
  const Plan& plan = task.plan;
  const Json header = make_header(options, nccl, task);
  for (const std::string& line : agents.warnings()) say(options, "warning: " + line);
  for (const std::string& line : busy_gpus(agents.gathered() ? 0 : plan.ranks)) {
    say(options, "warning: " + line + "; times will be noisy");
  }
  if (options.dry_run) {
    if (options.json) {
      print_json({{"header", header},
                  {"points", plan.points.size()},
                  {"rough_s", rough_s(plan) + rough_bundles_s(options, task)}});
    } else {
      print_plan(options, task, header);
    }
    return ExitCode::fine;
  }

  const std::string path = options.out + "/measurements.jsonl";
  std::filesystem::create_directories(options.out + "/logs");
  Earlier earlier = look_at_earlier(path, header, options.restart);
  if (!earlier.problem.empty()) throw MachineError(earlier.problem);
  const bool resumes = earlier.recording.has_value();
  LineFile file(path, earlier.keep_bytes);
  if (resumes) {
    say(options, fmt::format("going on with {}: {} samples are there", path,
                             earlier.recording->samples.size()));
  } else {
    file.add(header.dump());
    earlier.recording.emplace();
    earlier.recording->header = header;
    earlier.recording->bundles = empty_bundles(header);
  }
  const Journal::Sink sink = [&file](const std::string& line) { file.add(line); };
  Journal journal(std::move(*earlier.recording), sink);
  const std::string plugin = find_plugin(options.plugin);
  if (plugin.empty() && !task.bundles.empty()) {
    throw MachineError(
        "bundles are compared through libnccl-tuner-vernier.so: name it by --plugin");
  }
  if (plugin.empty()) say(options, "note: no libnccl-tuner-vernier.so: nothing will be confirmed");
  const LaunchSetup launch =
      local_launch(options, nccl.path, plan.ranks, plan.points, options.out + "/logs");
  Recording whole;
  bool finished = false;
  {
    TerminalProgress progress(options.quiet);
    finished =
        measure_policy(options, plan, launch, agents, nccl.version, plugin, journal, progress);
    whole = journal.recording();
    if (finished && !task.bundles.empty()) {
      const Fit base = fit(whole, {options.name, options.max_extra_mib});
      const Weights weights = weigh(base, task.traffic, task.shape);
      BundleTrials trials(
          {launch, options.hang_limit_s, agents, plugin, nccl.version,
           static_cast<std::size_t>(options.search_bundles), options.max_extra_mib, started},
          journal, sink, plan, base, weights, progress);
      finished = trials.run();
      whole = trials.recording();
    }
  }
  if (!finished) {
    print_talk(
        fmt::format("vernier: stopped; {} keeps what was measured, and the same command "
                    "goes on from there",
                    path));
    return ExitCode::could_not_look;
  }
  const LaunchRecord* const judging = whole.find_launch(kFirstJudgingLaunch);
  const std::string name =
      options.name.empty() ? default_name(header, plan, judging->nodes) : options.name;
  return conclude(judge_all(whole, {name, options.max_extra_mib}, task.traffic, task.shape, true),
                  options.out + "/policy.toml", options.json)
             ? ExitCode::fine
             : ExitCode::could_not_look;
}

}  // namespace

ExitCode calibrate(const Options& options) {
  // For everything that looks at it: NCCL in the ranks, and what is written down about the machine.
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  if (options.task && options.task->rank > 0) return serve_as_agent(options, options.plugin);
  Agents agents;  // outlives the error messages: a launcher ends all tasks when one has left
  try {
    if (options.task) agents.gather(options, options.plugin);  // first: the others wait for a word
    (void)cuda_driver();
    const FoundNccl found = find_nccl(options.nccl);
    const NcclLibrary nccl = open_nccl(found.file);
    say(options, fmt::format("NCCL {} at {}, found by {}", format_nccl_version(nccl.version),
                             nccl.path, found.how));
    if (!found.other.empty()) say(options, "note: " + found.other);
    if (!has_static_plugin(nccl.version)) {
      throw MachineError(fmt::format(
          "NCCL {} cannot load a tuner from this executable (STATIC_PLUGIN), so nothing can be "
          "measured in one communicator; NCCL 2.22 to 2.26 and 2.27.5 or later can, 2.28.9 for one",
          format_nccl_version(nccl.version)));
    }
    return measure_and_fit(options, nccl, agents);
  } catch (const RollCallError& error) {
    print_talk(std::string("vernier: error: ") + error.what());
    if (options.json) print_json(error.details());
    return ExitCode::could_not_look;
  } catch (const std::exception& error) {
    print_talk(std::string("vernier: error: ") + error.what());
    return ExitCode::could_not_look;
  }
}

}  // namespace vernier::calibrate
