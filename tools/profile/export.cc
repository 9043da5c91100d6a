// SPDX-License-Identifier: Apache-2.0
//
// vernier profile export: the counters, for other programs.
#include <fmt/format.h>

#include "tools/common/output.hpp"
#include "tools/common/output_file.hpp"
#include "tools/profile/commands.hpp"
#include "tools/profile/exports.hpp"

namespace vernier::profile {
namespace {

std::string csv_text(const Traffic& traffic) {
  std::string text =
      "collective,bytes,bucket,data_type,ranks,nodes,captured,algorithm,protocol,channels,"
      "calls_least,calls_most,replays_least,replays_most,processes,requested,reason,samples,"
      "p50_ns,p90_ns,p99_ns,calls_per_graph,estimated_transfer_ns,estimated_wait_ns,time_share\n";
  for (const Row& row : traffic.rows) {
    text += fmt::format(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{:.6g},{},{},{:.6g}\n",
        row.operation, row.nbytes ? fmt::to_string(*row.nbytes) : "", row.bucket, row.data_type,
        row.ranks, row.nodes, row.captured, row.algorithm, row.protocol, row.channels,
        row.calls.least, row.calls.most, row.replayed.least, row.replayed.most, row.processes,
        row.requested, row.reason, samples_of(row.latency_ns), percentile_ns(row.latency_ns, 0.5),
        percentile_ns(row.latency_ns, 0.9), percentile_ns(row.latency_ns, 0.99),
        row.calls_per_graph, row.transfer_ns, row.wait_ns, row.time_share);
  }
  return text;
}

Json positions_json(const std::vector<Position>& positions) {
  Json all = Json::array();
  for (const Position& one : positions) {
    all.push_back({one.position, one.samples, one.median_ns});
  }
  return all;
}

// Each process's own counters, one object a line.
std::string jsonl_text(const Job& job) {
  std::string text;
  for (const Profile& profile : job.profiles) {
    for (const Call& call : profile.calls) {
      Json line = {{"host", profile.host}, {"pid", profile.pid}};
      if (const Communicator* const one = find_communicator(profile, call.communicator)) {
        line.update({{"comm_id", one->comm_id},
                     {"ranks", one->ranks},
                     {"nodes", one->nodes},
                     {"rank", one->rank}});
      }
      line["collective"] = call.operation;
      line["data_type"] = call.data_type;
      line[call.bucket ? "bucket_bytes" : "count"] = call.count;
      line["captured"] = call.captured;
      line["calls"] = call.calls ? Json(*call.calls) : Json();
      line["graphs"] = call.graphs == 0 ? Json() : Json(call.graphs);
      line["kernels"] = Json::array();
      for (const Kernel& kernel : call.kernels) {
        line["kernels"].push_back({{"algorithm", kernel.algorithm},
                                   {"protocol", kernel.protocol},
                                   {"channels", kernel.channels},
                                   {"enqueued", kernel.enqueued},
                                   {"replayed", kernel.replayed},
                                   {"latency_ns", kernel.latency_ns},
                                   {"after_gap_ns", kernel.after_gap_ns},
                                   {"positions", positions_json(kernel.positions)}});
      }
      text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    }
  }
  return text;
}

}  // namespace

ExitCode export_profile(const ExportOptions& options) {
  const bool chrome = options.format == "chrome";
  const auto loaded = load_job(options.directory, chrome ? WithRaw::yes : WithRaw::no);
  if (!loaded) return ExitCode::could_not_look;
  if (chrome && loaded->job.raw.empty()) {
    print_talk(
        "vernier profile export: error: " + printable(options.directory) +
        ": no file raw0-*.jsonl: a trace needs a job that ran with NCCL_VERNIER_PROFILE=full:raw");
    return ExitCode::could_not_look;
  }
  const std::string text = options.format == "csv"     ? csv_text(loaded->traffic)
                           : options.format == "jsonl" ? jsonl_text(loaded->job)
                           : chrome                    ? chrome_text(loaded->job)
                                                       : prometheus_text(loaded->job);
  if (const std::string problem = write_output(options.out, text); !problem.empty()) {
    print_talk("vernier profile export: error: " + problem);
    return ExitCode::could_not_look;
  }
  return loaded->whole ? ExitCode::fine : ExitCode::findings;
}

}  // namespace vernier::profile
