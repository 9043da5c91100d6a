// SPDX-License-Identifier: Apache-2.0
//
// What was timed, by kind of call. Of the thread that reads and writes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "plugin/profiler/call_table.hpp"
#include "plugin/profiler/latency_histogram.hpp"

namespace vernier {

// The latest times of one operation of a graph.
class RecentLatencies {
 public:
  static constexpr std::size_t kKept = 31;

  void add(std::uint64_t latency_ns) noexcept { kept_[samples_++ % kKept] = latency_ns; }
  [[nodiscard]] std::uint64_t samples() const { return samples_; }
  // Of those that are kept. Not without samples.
  [[nodiscard]] std::uint64_t median_ns() const {
    auto sorted = kept_;
    const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(std::min(samples_, kKept));
    const auto middle = sorted.begin() + (end - sorted.begin()) / 2;
    std::nth_element(sorted.begin(), middle, end);
    return *middle;
  }

 private:
  std::array<std::uint64_t, kKept> kept_{};
  std::size_t samples_ = 0;
};

struct Latencies {
  LatencyHistogram histogram;
  LatencyHistogram after_gap;  // of launches after a pause: they wait for the other ranks
  // Of graphs, by the position of the call among the captured ones of its communicator: at most as
  // many as a sampler has places for.
  std::map<std::uint32_t, RecentLatencies> positions;
};

class LatencyBook {
 public:
  static constexpr std::size_t kMaxKinds = 2048;  // 4 KiB each

  // False where there is no room for one more kind.
  bool add(const Call* call, std::uint64_t latency_ns, bool after_gap) {
    Latencies* const latencies = find_or_add(call);
    if (latencies == nullptr) return false;
    ++samples_;
    (after_gap ? latencies->after_gap : latencies->histogram).add(latency_ns);
    return true;
  }
  bool add_captured(const Call* call, std::uint64_t latency_ns, bool after_gap,
                    std::uint32_t position) {
    if (!add(call, latency_ns, after_gap)) return false;
    latencies_[call]->positions[position].add(latency_ns);
    return true;
  }

  // Null where nothing was timed.
  [[nodiscard]] const Latencies* find(const Call* call) const {
    const auto found = latencies_.find(call);
    return found == latencies_.end() ? nullptr : found->second.get();
  }

  [[nodiscard]] std::uint64_t samples() const { return samples_; }

 private:
  Latencies* find_or_add(const Call* call) {
    auto found = latencies_.find(call);
    if (found == latencies_.end()) {
      if (latencies_.size() == kMaxKinds) return nullptr;
      found = latencies_.emplace(call, std::make_unique<Latencies>()).first;
    }
    return found->second.get();
  }

  std::map<const Call*, std::unique_ptr<Latencies>> latencies_;
  std::uint64_t samples_ = 0;
};

}  // namespace vernier
