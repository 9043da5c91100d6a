// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/gpu_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <tuple>

#include "tools/calibrate/live/fingerprint.hpp"
#include "tools/calibrate/live/windows.hpp"
#include "tools/calibrate/machine_error.hpp"
#include "vernier/decide.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kStartLimitS = 120;  // contexts and communicators of slow machines

Command command_for(Task task, const Point& point) {
  Command command{};
  command.task = task;
  command.collective = static_cast<std::int32_t>(point.collective);
  command.nbytes = point.nbytes;
  return command;
}

// What the ranks wrote last, for an error message.
std::string last_words(const LaunchSetup& setup) {
  std::string words;
  for (int rank = 0; rank < setup.ranks; ++rank) {
    std::ifstream file(fmt::format("{}/rank{}.log", setup.log_dir, rank));
    std::string line;
    std::string last;
    while (std::getline(file, line)) {
      if (!line.empty()) last = line;
    }
    if (!last.empty()) words += fmt::format("\n  rank {}: {}", rank, printable(last));
  }
  return words;
}

}  // namespace

GpuMachine::GpuMachine(LaunchSetup setup, double limit_s, Agents& agents)
    : setup_(std::move(setup)), limit_s_(limit_s), agents_(agents.gathered() ? &agents : nullptr) {
  setup_.of_rank.resize(static_cast<std::size_t>(setup_.ranks));
}

void GpuMachine::start() {
  LaunchSetup setup = setup_;
  const std::string path =
      fmt::format("{}/nccl.{}.log", setup.log_dir, audited_ ? "audited" : "launch");
  std::filesystem::remove(path);
  // Rank 0 alone prints what it chose. TUNING costs a line a call, which eager timing would see.
  setup.of_rank[0]["NCCL_DEBUG"] = "INFO";
  setup.of_rank[0]["NCCL_DEBUG_SUBSYS"] = audited_ ? "INIT,TUNING" : "INIT";
  setup.of_rank[0]["NCCL_DEBUG_FILE"] = path;
  setup.confirms = !plugin_.empty();
  if (setup.confirms) {
    setup.environment["NCCL_TUNER_PLUGIN"] = plugin_;
    setup.environment["NCCL_VERNIER_POLICY"] = inline_policy_;
  }
  processes_ = std::make_unique<RankProcesses>(setup, agents_);
  log_.emplace(path);
  const std::optional<Hello> hello = processes_->hello(kStartLimitS);
  if (!hello) {
    throw MachineError(
        fmt::format("the ranks did not start: {}{}", processes_->end_text(), last_words(setup)));
  }
  if (hello->tuner_was_asked == 0) {
    throw MachineError(
        "this NCCL did not ask the tuner in this executable (STATIC_PLUGIN), so nothing can be "
        "measured; NCCL 2.22 to 2.26 and 2.27.5 or later do");
  }
  const std::string said = log_->read_new();
  if (setup.confirms) {
    if (said.find("reason active") != std::string::npos) return;
    throw MachineError(
        fmt::format("{} does not apply the policy that was just made; {} says why", plugin_, path));
  }
  launch_.nodes = hello->nodes;
  std::tie(launch_.sm_mhz, launch_.memory_mhz) = clocks_mhz();  // now that all ranks run kernels
  launch_.comm_channels = find_comm_channels(said).value_or(32);
}

LaunchRecord GpuMachine::start_launch(int launch, bool audited) {
  processes_.reset();
  launch_.launch = launch;
  audited_ = audited;
  start();
  return launch_;
}

LaunchRecord GpuMachine::start_confirming(int launch, const std::string& plugin,
                                          const std::string& inline_policy) {
  plugin_ = plugin;
  inline_policy_ = inline_policy;
  return start_launch(launch, false);
}

void GpuMachine::start_again() {
  processes_.reset();
  start();
}

RankProcesses::Answer GpuMachine::must_ask(const Command& command) {
  std::optional<RankProcesses::Answer> answer = processes_->ask(command, limit_s_);
  if (!answer) {
    throw MachineError(fmt::format("the ranks failed at NCCL's own choice: {}{}",
                                   processes_->end_text(), last_words(setup_)));
  }
  return std::move(*answer);
}

Outcome GpuMachine::how_it_ended() const {
  return processes_->end() == RankProcesses::End::hung ? Outcome::hung : Outcome::crashed;
}

SurveyRecord GpuMachine::survey(const Point& point) {
  const RankProcesses::Answer answer = must_ask(command_for(Task::survey, point));
  const auto protocols = static_cast<std::size_t>(answer.reply.protocols);
  SurveyRecord record{point, {}, {}};
  float best = std::numeric_limits<float>::infinity();
  for (std::size_t cell = 0; cell < answer.numbers.size(); ++cell) {
    const float cost_us = answer.numbers[cell];
    const std::size_t algorithm = cell / protocols;
    const std::size_t protocol = cell % protocols;
    if (detail::bits_of(cost_us) >= detail::kUnusableBits) continue;
    if (algorithm >= kAlgorithmNames.size() || protocol >= kProtocolNames.size()) continue;
    const Choice choice{static_cast<Algorithm>(algorithm), static_cast<Protocol>(protocol)};
    record.usable_us.emplace_back(choice, cost_us);
    if (cost_us < best) {
      best = cost_us;
      record.own = choice;
    }
  }
  if (record.usable_us.empty()) {
    throw MachineError(fmt::format("NCCL says it cannot run {} at all", describe(point)));
  }
  return record;
}

CheckRecord GpuMachine::check(const Point& point, const Configuration& configuration) {
  CheckRecord record{launch_.launch, point, configuration, Outcome::exact, {}, {}};
  Command command = command_for(Task::check, point);
  command.arms[0] = to_wire(configuration);
  command.arm_count = 1;
  if (audited_) (void)log_->read_new();
  const std::optional<RankProcesses::Answer> answer = processes_->ask(command, limit_s_);
  if (!answer) {
    record.outcome = how_it_ended();
    record.detail = processes_->end_text();
    start_again();
    return record;
  }
  if (answer->numbers.at(0) != 0) {
    record.outcome = Outcome::wrong;
    record.detail = fmt::format("the output of rank {:.0f} was not exact:{}",
                                answer->numbers.at(0) - 1, last_words(setup_));
  } else if (answer->numbers.at(1) != 0 && configuration.choice) {
    record.outcome = Outcome::refused;
    record.detail = "NCCL marks it unusable";
  }
  if (!audited_) return record;
  if (const std::optional<Configuration> applied =
          find_applied(log_->read_new(), point.collective)) {
    record.applied = format_configuration(*applied);
    if (configuration.choice && *applied->choice != *configuration.choice &&
        record.outcome == Outcome::exact) {
      record.outcome = Outcome::refused;
      record.detail = "NCCL ran " + record.applied;
    }
  }
  return record;
}

Answer GpuMachine::time(const Command& command) {
  Answer result;
  const double captures = static_cast<double>(command.arm_count) * command.pairs;
  std::optional<RankProcesses::Answer> answer =
      processes_->ask(command, limit_s_ * std::max(1.0, captures / 25));
  if (!answer) {
    result.outcome = how_it_ended();
    result.detail = processes_->end_text();
    return result;
  }
  auto number = answer->numbers.begin();
  for (int arm = 0; arm < command.arm_count; ++arm) {
    auto& pairs = result.times_us.emplace_back();
    for (int pair = 0; pair < command.pairs; ++pair) {
      pairs.emplace_back(number, number + command.replays);
      number += command.replays;
    }
  }
  return result;
}

Answer GpuMachine::measure(const Request& request) {
  Command command = command_for(Task::measure, request.point);
  command.mode = static_cast<std::int32_t>(request.mode);
  command.pairs = request.pairs;
  command.operations = request.operations;
  command.replays = request.replays;
  command.arm_count = static_cast<std::int32_t>(request.arms.size());
  for (std::size_t arm = 0; arm < request.arms.size(); ++arm) {
    command.arms[arm] = to_wire(request.arms[arm]);
  }
  Answer result = time(command);
  if (result.times_us.empty()) start_again();
  return result;
}

Answer GpuMachine::measure_wire(int pairs, Effort effort) {
  Command command = command_for(Task::wire, {Collective::allreduce, 0});
  command.pairs = pairs;
  command.operations = effort.operations;
  command.replays = effort.replays;
  command.arm_count = 1;
  return time(command);
}

std::string GpuMachine::open_windows() {
  const auto answer =
      processes_->ask(command_for(Task::windows, {Collective::allreduce, 0}), limit_s_);
  if (!answer) {
    return fmt::format("{}: {}", name_of(how_it_ended()), processes_->end_text());
  }
  switch (static_cast<Windows::State>(static_cast<int>(answer->numbers.at(0)))) {
    case Windows::State::open: return {};
    case Windows::State::not_in_this_nccl: return "not in this NCCL; 2.27 and later have them";
    case Windows::State::no_symmetric_memory: return "NCCL has no symmetric memory here";
    case Windows::State::failed: break;
  }
  return fmt::format("NCCL refused them:{}", last_words(setup_));
}

Answer GpuMachine::measure_windows(const Point& point, int pairs, Effort effort) {
  Command command = command_for(Task::measure, point);
  command.mode = static_cast<std::int32_t>(Mode::graph);
  command.pairs = pairs;
  command.operations = effort.operations;
  command.replays = effort.replays;
  command.arm_count = 2;
  command.arms[0] = command.arms[1] = to_wire(kDefault);
  command.last_in_windows = 1;
  return time(command);
}

double GpuMachine::used_mib() {
  return must_ask(command_for(Task::used_memory, {Collective::allreduce, 0})).numbers.at(0);
}

}  // namespace vernier::calibrate
