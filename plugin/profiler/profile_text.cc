// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/profile_text.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "plugin/common/log_directory.hpp"
#include "vernier/names.hpp"

namespace vernier {
namespace {

struct Counts {
  std::uint64_t count = 0;
  std::uint64_t replayed = 0;
  std::vector<const Latencies*> latencies;  // one for each thread that counted
};
// algorithm, protocol, channels
using KernelName = std::tuple<std::uint8_t, std::uint8_t, std::uint8_t>;
// communicator, operation, data type, count, captured, bucket, whether NCCL told of the call itself
using CallName = std::tuple<std::uint32_t, Operation, DataType, std::uint64_t, bool, bool, bool>;
struct CallRow {
  std::uint64_t calls = 0;
  std::uint64_t graphs = 0;
  std::map<KernelName, Counts> kernels;
};

CallName name_of_call(const CallKey& key, bool told) {
  return {key.communicator, key.operation, key.data_type, key.count,
          key.captured,     key.bucket,    told};
}

// One row for a call, whichever threads made it and whichever ran its kernels.
std::map<CallName, CallRow> merge(const Recorder& recorder, const LatencyBook& book) {
  std::map<CallName, CallRow> rows;
  for (const CallTable* const table : recorder.tables()) {
    for (const Call& call : table->calls()) {
      const std::uint64_t count = call.count.load(std::memory_order_relaxed);
      const CallKey& key = call.key;
      const Latencies* const timed = book.find(&call);
      if (!key.kernel) {
        CallRow& row = rows[name_of_call(key, true)];
        row.calls += count;
        row.graphs += call.graphs.load(std::memory_order_relaxed);
        // A launch of which NCCL told no kernel: symmetric memory.
        if (timed != nullptr) {
          row.kernels[{key.algorithm, key.protocol, key.channels}].latencies.push_back(timed);
        }
        continue;
      }
      const CallKey& of = key.parent != nullptr ? key.parent->key : key;
      Counts& kernel = rows[name_of_call(of, key.parent != nullptr)]
                           .kernels[{key.algorithm, key.protocol, key.channels}];
      kernel.count += count;
      kernel.replayed += call.replayed.load(std::memory_order_relaxed);
      if (timed != nullptr) kernel.latencies.push_back(timed);
    }
  }
  return rows;
}

std::string algorithm_text(std::uint8_t algorithm) {
  if (algorithm < kAlgorithmNames.size()) return json_string(kAlgorithmNames[algorithm]);
  return algorithm == kCopyEngine ? "\"copy_engine\"" : "null";
}

std::string protocol_text(std::uint8_t protocol) {
  return protocol < kProtocolNames.size() ? json_string(kProtocolNames[protocol]) : "null";
}

// [[lower_ns, count], ...] of the buckets that are not empty.
std::string histogram_text(const std::vector<const Latencies*>& all,
                           LatencyHistogram Latencies::*which) {
  std::string text;
  for (std::size_t bucket = 0; bucket < LatencyHistogram::kBuckets; ++bucket) {
    std::uint64_t count = 0;
    for (const Latencies* const latencies : all) count += (latencies->*which).count(bucket);
    if (count == 0) continue;
    text += fmt::format("{}[{},{}]", text.empty() ? "" : ",", LatencyHistogram::lower_ns(bucket),
                        count);
  }
  return "[" + text + "]";
}

// [[position, samples, median_ns], ...]
std::string positions_text(const std::vector<const Latencies*>& all) {
  std::string text;
  for (const Latencies* const latencies : all) {
    for (const auto& [position, times] : latencies->positions) {
      text += fmt::format("{}[{},{},{}]", text.empty() ? "" : ",", position, times.samples(),
                          times.median_ns());
    }
  }
  return text.empty() ? "" : ",\"positions\":[" + text + "]";
}

std::string latency_text(const std::vector<const Latencies*>& all) {
  if (all.empty()) return {};
  return fmt::format(",\"latency_ns\":{},\"after_gap_ns\":{}{}",
                     histogram_text(all, &Latencies::histogram),
                     histogram_text(all, &Latencies::after_gap), positions_text(all));
}

// What a call is, without the braces.
std::string call_members(std::uint32_t communicator, Operation operation, DataType data_type,
                         std::uint64_t count, bool captured, bool bucket) {
  return fmt::format(
      "\"call\":\"{}\",\"communicator\":{},\"data_type\":\"{}\",\"{}\":{},\"captured\":{}",
      kOperationNames[static_cast<std::size_t>(operation)], communicator,
      kDataTypeNames[static_cast<std::size_t>(data_type)], bucket ? "bucket_bytes" : "count", count,
      captured);
}

std::string kernel_members(std::uint8_t algorithm, std::uint8_t protocol, std::uint8_t channels) {
  return fmt::format("\"algorithm\":{},\"protocol\":{},\"channels\":{}", algorithm_text(algorithm),
                     protocol_text(protocol), channels);
}

std::string call_line(const CallName& name, const CallRow& row) {
  const auto& [communicator, operation, data_type, count, captured, bucket, told] = name;
  std::string line =
      fmt::format("{{{},\"calls\":{},\"graphs\":{},\"kernels\":[",
                  call_members(communicator, operation, data_type, count, captured, bucket),
                  told ? fmt::to_string(row.calls) : "null",
                  row.graphs != 0 ? fmt::to_string(row.graphs) : "null");
  bool first = true;
  for (const auto& [kernel, counts] : row.kernels) {
    const auto& [algorithm, protocol, channels] = kernel;
    line += fmt::format("{}{{{},\"enqueued\":{},\"replayed\":{}{}}}", first ? "" : ",",
                        kernel_members(algorithm, protocol, channels), counts.count,
                        counts.replayed, latency_text(counts.latencies));
    first = false;
  }
  return line + "]}\n";
}

std::uint64_t dropped(const Recorder& recorder) {
  std::uint64_t events = recorder.dropped();
  for (const CallTable* const table : recorder.tables()) {
    events += table->dropped.load(std::memory_order_relaxed);
  }
  return events;
}

}  // namespace

std::string communicator_text(const ProfiledCommunicator& communicator) {
  const CommunicatorDescription& told = communicator.told;
  return fmt::format(
      "{{\"communicator\":{},\"comm_id\":\"{:016x}\",\"name\":{},\"nodes\":{},\"ranks\":{},"
      "\"rank\":{}}}",
      communicator.index, told.comm_id != 0 ? told.comm_id : communicator.seen_comm_id.load(),
      json_string(told.name), told.nodes, told.ranks,
      told.rank >= 0 ? told.rank : communicator.seen_rank.load());
}

std::string call_text(const CallKey& call) {
  return "{" +
         call_members(call.communicator, call.operation, call.data_type, call.count, call.captured,
                      call.bucket) +
         "}";
}

std::string kernel_text(const CallKey& kernel) {
  return "{" + kernel_members(kernel.algorithm, kernel.protocol, kernel.channels) + "}";
}

std::string profile_text(Recorder& recorder, const LatencyBook& book, const ProfileHeader& header) {
  const auto rows = merge(recorder, book);
  std::set<std::uint32_t> used;
  for (const auto& [name, row] : rows) used.insert(std::get<0>(name));
  const ProcessName& process = process_name();
  std::string text = fmt::format(
      "{{\"vernier_profile\":1,\"vernier\":\"{}\",\"host\":{},\"pid\":{},\"started_ns\":{},"
      "\"written_ns\":{},\"last_counted_ns\":{},\"nccl\":{},\"profiler_abi\":{},"
      "\"mode\":\"{}\",\"timer_tick_ns\":{},\"dropped\":{},\"lost_samples\":{{\"no_event\":{},"
      "\"several_calls\":{},"
      "\"torn\":{},\"kernels\":{}}}}}\n",
      VERNIER_VERSION, json_string(process.host), process.pid, process.started_ns,
      header.written_ns, header.last_counted_ns,
      header.nccl.empty() ? "null" : json_string(header.nccl), header.profiler_abi, header.mode,
      header.timer_tick_ns, dropped(recorder), header.no_slot, header.several_calls, header.torn,
      header.kernels);
  std::size_t lines = 1;
  for (const ProfiledCommunicator* const communicator : recorder.communicators()) {
    if (!used.contains(communicator->index)) continue;
    text += communicator_text(*communicator) + '\n';
    ++lines;
  }
  for (const auto& [name, row] : rows) text += call_line(name, row);
  lines += rows.size();
  return text + fmt::format("{{\"end_after_lines\":{}}}\n", lines);
}

std::uint64_t events_counted(const Recorder& recorder) {
  std::uint64_t events = dropped(recorder);
  for (const CallTable* const table : recorder.tables()) {
    for (const Call& call : table->calls()) {
      events += call.count.load(std::memory_order_relaxed) +
                call.replayed.load(std::memory_order_relaxed);
    }
  }
  return events;
}

}  // namespace vernier
