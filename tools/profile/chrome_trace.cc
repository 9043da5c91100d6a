// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "tools/common/output.hpp"
#include "tools/profile/commands.hpp"
#include "tools/profile/exports.hpp"

namespace vernier::profile {

// A process for each rank, a thread for each of its communicators. GPUs have clocks of their own,
// so ranks are only roughly in line.
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

}  // namespace vernier::profile
