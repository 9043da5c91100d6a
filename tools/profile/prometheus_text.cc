// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <map>

#include "tools/profile/exports.hpp"
#include "vernier/policy.hpp"

namespace vernier::profile {
namespace {

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
    const Communicator* const one = find_communicator(profile, call.communicator);
    const Communicator any;
    const Communicator& of = one == nullptr ? any : *one;
    const std::string labels = fmt::format(
        "collective=\"{}\",size_bucket=\"{}\",data_type=\"{}\",captured=\"{}\","
        "nranks=\"{}\",nnodes=\"{}\",comm=\"{}\",rank=\"{}\",node=\"{}\"",
        call.operation, size_bucket(tuner_bytes(call, of.ranks)), call.data_type, call.captured,
        of.ranks, of.nodes, label(of.comm_id), of.rank, label(profile.host));
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

std::string prometheus_text(const Job& job) { return PrometheusText(job).text(); }

}  // namespace vernier::profile
