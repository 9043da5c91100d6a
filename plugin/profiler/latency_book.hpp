// SPDX-License-Identifier: Apache-2.0
//
// What was timed, by kind of call. Of the thread that reads and writes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "plugin/profiler/call_table.hpp"
#include "plugin/profiler/latency_histogram.hpp"

namespace vernier {

struct Latencies {
  LatencyHistogram histogram;
  LatencyHistogram after_gap;  // of launches after a pause: they wait for the other ranks
};

class LatencyBook {
 public:
  static constexpr std::size_t kMaxKinds = 2048;  // 4 KiB each

  // False where there is no room for one more kind.
  bool add(const Call* call, std::uint64_t latency_ns, bool after_gap) {
    auto found = latencies_.find(call);
    if (found == latencies_.end()) {
      if (latencies_.size() == kMaxKinds) return false;
      found = latencies_.emplace(call, std::make_unique<Latencies>()).first;
    }
    ++samples_;
    (after_gap ? found->second->after_gap : found->second->histogram).add(latency_ns);
    return true;
  }

  // Null where nothing was timed.
  [[nodiscard]] const Latencies* find(const Call* call) const {
    const auto found = latencies_.find(call);
    return found == latencies_.end() ? nullptr : found->second.get();
  }

  [[nodiscard]] std::uint64_t samples() const { return samples_; }

 private:
  std::map<const Call*, std::unique_ptr<Latencies>> latencies_;
  std::uint64_t samples_ = 0;
};

}  // namespace vernier
