// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "tools/calibrate/live/pair_rates.hpp"
#include "tools/calibrate/live/roll_call.hpp"
#include "tools/calibrate/machine_error.hpp"
#include "tools/common/output.hpp"
#include "tools/common/output_file.hpp"
#include "tools/doctor/collect.hpp"
#include "tools/doctor/findings.hpp"
#include "tools/doctor/gather_ranks.hpp"
#include "tools/doctor/report.hpp"
#include "tools/machine/live_machine.hpp"
#include "tools/machine/machine_recorder.hpp"
#include "tools/machine/machine_tree.hpp"

namespace vernier::doctor {
namespace {

// Why it could not be written, or nothing.
std::string write_recording(const machine::MachineRecorder& recorder, const Options& options) {
  std::error_code error;
  std::filesystem::create_directories(options.record, error);
  if (error) return error.message();
  const Json document = recorder.document(options.name);
  return write_output(options.record + "/machine.json",
                      document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

// By index of `facts`; GPUs that CUDA_VISIBLE_DEVICES hides from CUDA have no rates.
void measure_pairs(Facts& facts) {
  const auto index_of = [&](const std::string& address) {
    const auto found = std::find_if(facts.gpus.begin(), facts.gpus.end(),
                                    [&](const GpuFacts& gpu) { return gpu.nvml.pci == address; });
    return static_cast<std::size_t>(found - facts.gpus.begin());
  };
  for (const calibrate::PairRate& rate : calibrate::measure_pair_rates()) {
    const std::size_t from = index_of(rate.from);
    const std::size_t to = index_of(rate.to);
    if (from == facts.gpus.size() || to == facts.gpus.size()) continue;
    facts.rates.push_back({from, to, rate.gb_per_s, rate.small_copy_us});
  }
}

// Of a job, on rank 0; nothing is known of it elsewhere.
struct Job {
  std::map<int, RankReport> ranks;
  RankComparison comparison;
};

ExitCode print_report(const Facts& facts, std::vector<Finding> findings, const Job* job,
                      bool json) {
  if (job != nullptr) {
    const std::vector<Finding>& more = job->comparison.findings;
    findings.insert(findings.end(), more.begin(), more.end());
    std::stable_sort(findings.begin(), findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  }
  if (json) {
    Json document = json_of(facts, findings);
    if (job != nullptr) document["ranks"] = json_of(job->ranks, job->comparison);
    print_json(document);
  } else {
    if (job != nullptr) print_result(text_of(job->ranks, job->comparison));
    print_result(text_of(facts, findings));
  }
  const bool any = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.severity != Severity::note;
  });
  return any ? ExitCode::findings : ExitCode::fine;
}

ExitCode compare_and_print(const Facts& facts, const std::vector<Finding>& findings,
                           const Options& options) {
  try {
    const RankReport own = make_report(facts, findings);
    if (options.call.task->rank > 0) {
      report_to_rank_0(options.call, own);
      return ExitCode::fine;
    }
    Job job{gather_ranks(options.call, own), {}};
    job.comparison = compare_ranks(job.ranks);
    return print_report(facts, findings, &job, options.json);
  } catch (const calibrate::RollCallError& error) {
    print_talk(std::string("vernier: error: ") + error.what());
    if (options.json) print_json(error.details());
  } catch (const calibrate::MachineError& error) {
    print_talk(std::string("vernier: error: ") + error.what());
  }
  return ExitCode::could_not_look;
}

}  // namespace

ExitCode run_doctor(const Options& options) {
  std::unique_ptr<machine::MachineView> view;
  try {
    view = options.machine.empty() ? machine::make_live_machine()
                                   : machine::open_machine_tree(options.machine);
  } catch (const std::runtime_error& error) {
    print_talk(fmt::format("vernier: error: {}", printable(error.what())));
    return ExitCode::could_not_look;
  }
  machine::MachineRecorder recorder(*view);
  Facts facts = collect(options.record.empty() ? *view : recorder);
  if (options.measure) {
    try {
      measure_pairs(facts);
    } catch (const calibrate::MachineError& error) {
      facts.rates_problem = error.what();
    }
  }
  const std::vector<Finding> findings = find_all(facts);
  if (!options.record.empty()) {
    const std::string problem = write_recording(recorder, options);
    if (!problem.empty()) {
      print_talk(fmt::format("vernier: error: {}: {}", printable(options.record), problem));
      return ExitCode::could_not_look;
    }
  }
  if (options.call.task) return compare_and_print(facts, findings, options);
  return print_report(facts, findings, nullptr, options.json);
}

}  // namespace vernier::doctor
