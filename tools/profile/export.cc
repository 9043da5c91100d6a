// SPDX-License-Identifier: Apache-2.0
//
// vernier profile export: the counters, for other programs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <limits>
#include <map>
#include <set>

#include "tools/common/output.hpp"
#include "tools/common/output_file.hpp"
#include "tools/profile/commands.hpp"
#include "vernier/policy.hpp"

namespace vernier::profile {
namespace {

std::string csv_text(const Traffic& traffic) {
  std::string text =
      "collective,bytes,bucket,data_type,ranks,nodes,captured,algorithm,protocol,channels,"
      "calls_least,calls_most,replays_least,replays_most,processes,requested,reason,samples,"
      "p50_ns,p90_ns,p99_ns\n";
  for (const Row& row : traffic.rows) {
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                        row.operation, row.nbytes ? fmt::to_string(*row.nbytes) : "", row.bucket,
                        row.data_type, row.ranks, row.nodes, row.captured, row.algorithm,
                        row.protocol, row.channels, row.calls.least, row.calls.most,
                        row.replayed.least, row.replayed.most, row.processes, row.requested,
                        row.reason, samples_of(row.latency_ns), percentile_ns(row.latency_ns, 0.5),
                        percentile_ns(row.latency_ns, 0.9), percentile_ns(row.latency_ns, 0.99));
  }
  return text;
}

// Lines of communicators come in the order of their index.
const Communicator* find_communicator(const Profile& profile, std::uint32_t index) {
  const auto found = std::lower_bound(
      profile.communicators.begin(), profile.communicators.end(), index,
      [](const Communicator& one, std::uint32_t wanted) { return one.index < wanted; });
  return found == profile.communicators.end() || found->index != index ? nullptr : &*found;
}

// Each rank's own counters, one object a line.
std::string jsonl_text(const Job& job) {
  std::string text;
  for (const Profile& profile : job.profiles) {
    for (const Call& call : profile.calls) {
      Json line = {{"host", profile.host}, {"pid", profile.pid}};
      if (const Communicator* const one = find_communicator(profile, call.communicator)) {
        const Communicator& communicator = *one;
        line.update({{"comm_id", communicator.comm_id},
                     {"ranks", communicator.ranks},
                     {"nodes", communicator.nodes},
                     {"rank", communicator.rank}});
      }
      line["collective"] = call.operation;
      line["data_type"] = call.data_type;
      line[call.bucket ? "bucket_bytes" : "count"] = call.count;
      line["captured"] = call.captured;
      line["calls"] = call.calls ? Json(*call.calls) : Json();
      line["kernels"] = Json::array();
      for (const Kernel& kernel : call.kernels) {
        line["kernels"].push_back({{"algorithm", kernel.algorithm},
                                   {"protocol", kernel.protocol},
                                   {"channels", kernel.channels},
                                   {"enqueued", kernel.enqueued},
                                   {"replayed", kernel.replayed}});
      }
      text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    }
  }
  return text;
}

// Trace events, as Perfetto and chrome://tracing read them: a process for each rank, a thread for
// each of its communicators. GPUs have clocks of their own, so ranks are only roughly in line.
std::string chrome_text(const Job& job) {
  std::uint64_t first_ns = std::numeric_limits<std::uint64_t>::max();
  for (const RawFile& raw : job.raw) {
    for (const RawKernel& kernel : raw.kernels) first_ns = std::min(first_ns, kernel.start_ns);
  }
  const auto microseconds = [](std::uint64_t time_ns) {
    return fmt::format("{}.{:03}", time_ns / 1000, time_ns % 1000);
  };
  std::string events;
  const auto add = [&events](const std::string& event) {
    events += (events.empty() ? "\n" : ",\n") + event;
  };
  std::map<std::pair<std::string, std::uint64_t>, int> processes;  // pids repeat on other hosts
  std::set<std::pair<int, std::uint32_t>> named;
  for (const RawFile& raw : job.raw) {
    const int process =
        processes.try_emplace({raw.host, raw.pid}, static_cast<int>(processes.size()))
            .first->second;
    std::vector<std::string> heads;
    for (const RawKind& kind : raw.kinds) {
      Row row;
      row.nbytes = tuner_bytes(kind.call, kind.communicator.ranks);
      row.bucket = kind.call.bucket;
      row.algorithm = kind.kernel.algorithm;
      row.protocol = kind.kernel.protocol;
      const std::uint32_t thread = kind.communicator.index;
      if (named.emplace(process, thread).second) {
        add(Json{{"ph", "M"},
                 {"name", "process_name"},
                 {"pid", process},
                 {"args",
                  {{"name", fmt::format("rank {} (process {} on {})", kind.communicator.rank,
                                        raw.pid, raw.host)}}}}
                .dump());
        add(Json{{"ph", "M"},
                 {"name", "thread_name"},
                 {"pid", process},
                 {"tid", thread},
                 {"args",
                  {{"name", fmt::format("communicator {} {}", kind.communicator.comm_id,
                                        printable(kind.communicator.name))}}}}
                .dump());
      }
      std::string head = Json{{"ph", "X"},
                              {"name", fmt::format("{} {} {}", kind.call.operation, bytes_text(row),
                                                   kernel_text(row))},
                              {"cat", kind.call.captured ? "graph" : "eager"},
                              {"pid", process},
                              {"tid", thread},
                              {"args", {{"channels", kind.kernel.channels}}}}
                             .dump(-1, ' ', false, Json::error_handler_t::replace);
      head.pop_back();  // its brace: times follow
      heads.push_back(std::move(head));
    }
    for (const RawKernel& kernel : raw.kernels) {
      add(fmt::format("{},\"ts\":{},\"dur\":{}}}", heads[kernel.kind],
                      microseconds(kernel.start_ns - first_ns),
                      microseconds(kernel.stop_ns - kernel.start_ns)));
    }
  }
  return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[" + events + "\n]}\n";
}

// A label value of the text format.
std::string label(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

// Powers of two, so that a label has few values however many sizes there are.
std::string size_bucket(const std::optional<std::uint64_t>& nbytes) {
  if (!nbytes) return "unknown";
  return *nbytes == 0 ? "0" : format_bytes(std::bit_floor(*nbytes));
}

constexpr std::array<double, 16> kBoundsUs = {2,   5,   10,  15,   20,   30,   50,    75,
                                              100, 200, 500, 1000, 2000, 5000, 10000, 100000};

class PrometheusText {
 public:
  explicit PrometheusText(const Job& job) {
    for (const Profile& profile : job.profiles) add(profile);
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    const auto family = [&all](std::string_view name, std::string_view type, std::string_view help,
                               const auto& samples) {
      all += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
      for (const auto& [labels, value] : samples)
        all += fmt::format("{}{{{}}} {}\n", name, labels, value);
    };
    family("nccl_vernier_collective_calls_total", "counter",
           "Calls that reached NCCL, eager or at graph capture.", calls_);
    family("nccl_vernier_kernels_total", "counter",
           "Collectives that NCCL enqueued as kernels, with its choice.", kernels_);
    family("nccl_vernier_kernel_replays_total", "counter",
           "Kernels replayed by CUDA graphs, where NCCL reports replays.", replays_);
    all +=
        "# HELP nccl_vernier_collective_duration_seconds GPU time of launches that were timed, "
        "waiting for slower ranks included.\n"
        "# TYPE nccl_vernier_collective_duration_seconds histogram\n";
    for (const auto& [labels, histogram] : durations_) all += histogram_text(labels, histogram);
    family("nccl_vernier_dropped_events_total", "counter", "Events without room for a counter.",
           dropped_);
    family("nccl_vernier_seconds_since_last_collective", "gauge",
           "Time since a process was last seen to call NCCL.", idle_s_);
    return all;
  }

 private:
  struct Histogram {
    std::array<std::uint64_t, kBoundsUs.size() + 1> counts{};  // the last: above all bounds
    double sum_s = 0;
  };

  static std::string histogram_text(const std::string& labels, const Histogram& histogram) {
    constexpr std::string_view kName = "nccl_vernier_collective_duration_seconds";
    std::string text;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      below += histogram.counts[i];
      text += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", kName, labels,
                          i < kBoundsUs.size() ? fmt::format("{:g}", kBoundsUs[i] * 1e-6) : "+Inf",
                          below);
    }
    return text + fmt::format("{0}_sum{{{1}}} {2:g}\n{0}_count{{{1}}} {3}\n", kName, labels,
                              histogram.sum_s, below);
  }

  // A bucket of ours counts where its middle lies; it is far narrower than one of Prometheus's.
  void add(const std::string& labels, const Latency& latency) {
    if (latency.empty()) return;
    Histogram& histogram = durations_[labels];
    for (const auto& [lower_ns, count] : latency) {
      const double middle_ns = static_cast<double>(lower_ns) * (1 + 1.0 / 32);
      const auto bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), middle_ns * 1e-3);
      histogram.counts[static_cast<std::size_t>(bound - kBoundsUs.begin())] += count;
      histogram.sum_s += middle_ns * 1e-9 * static_cast<double>(count);
    }
  }

  void add(const Profile& profile) {
    const std::string process =
        fmt::format("host=\"{}\",pid=\"{}\"", label(profile.host), profile.pid);
    dropped_[process] += profile.dropped;
    if (profile.last_counted_ns != 0) {
      const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
      const double idle_s =
          (static_cast<double>(now_ns) - static_cast<double>(profile.last_counted_ns)) * 1e-9;
      idle_s_[process] = fmt::format("{:.1f}", std::max(0.0, idle_s));
    }
    for (const Call& call : profile.calls) add(profile, call);
  }

  void add(const Profile& profile, const Call& call) {
    std::string shape = "nranks=\"0\",nnodes=\"0\",comm=\"\",rank=\"-1\"";
    int ranks = 0;
    for (const Communicator& one : profile.communicators) {
      if (one.index != call.communicator) continue;
      ranks = one.ranks;
      shape = fmt::format("nranks=\"{}\",nnodes=\"{}\",comm=\"{}\",rank=\"{}\"", one.ranks,
                          one.nodes, label(one.comm_id), one.rank);
    }
    const std::string labels = fmt::format(
        "collective=\"{}\",size_bucket=\"{}\",data_type=\"{}\",captured=\"{}\",{},node=\"{}\"",
        call.operation, size_bucket(tuner_bytes(call, ranks)), call.data_type, call.captured, shape,
        label(profile.host));
    if (call.calls) calls_[labels] += *call.calls;
    for (const Kernel& kernel : call.kernels) {
      const std::string choice =
          fmt::format("{},algo=\"{}\",proto=\"{}\"", labels, kernel.algorithm, kernel.protocol);
      kernels_[choice] += kernel.enqueued;
      replays_[choice] += kernel.replayed;
      add(choice, kernel.latency_ns);
      add(choice, kernel.after_gap_ns);
    }
  }

  std::map<std::string, std::uint64_t> calls_;
  std::map<std::string, std::uint64_t> kernels_;
  std::map<std::string, std::uint64_t> replays_;
  std::map<std::string, Histogram> durations_;
  std::map<std::string, std::uint64_t> dropped_;
  std::map<std::string, std::string> idle_s_;
};

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
                                                       : PrometheusText(loaded->job).text();
  if (const std::string problem = write_output(options.out, text); !problem.empty()) {
    print_talk("vernier profile export: error: " + problem);
    return ExitCode::could_not_look;
  }
  return loaded->whole ? ExitCode::fine : ExitCode::findings;
}

}  // namespace vernier::profile
