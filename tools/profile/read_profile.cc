// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <limits>

#include "tools/common/json_members.hpp"
#include "tools/profile/profile.hpp"
#include "vernier/names.hpp"
#include "vernier/operations.hpp"
#include "vernier/reason.hpp"

namespace vernier::profile {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMaxRanks = 1u << 24;
constexpr std::uint64_t kMaxIndex = 1u << 20;
constexpr std::size_t kMaxLineBytes = 1u << 20;
constexpr int kMaxNesting = 8;
constexpr std::size_t kMaxProblems = 100;
constexpr std::size_t kMaxKeys = 4096;  // of a line: objects here are searched in order

bool flag(const Json& json, const char* name) {
  const Json& value = member(json, name);
  if (!value.is_boolean()) throw Malformed(fmt::format("\"{}\" is not true or false", name));
  return value.get<bool>();
}

std::string text_or_null(const Json& json, const char* name) {
  return member(json, name).is_null() ? std::string() : text(json, name);
}

template <std::size_t N>
std::string known(const std::array<std::string_view, N>& names, std::string word,
                  const char* name) {
  if (std::find(names.begin(), names.end(), word) == names.end()) {
    throw Malformed(fmt::format("\"{}\" is \"{}\", which is not known", name, word));
  }
  return word;
}

constexpr std::size_t kMaxBuckets = 1024;

// Empty where it is missing: nothing was timed.
Latency latency_of(const Json& json, const char* name) {
  Latency latency;
  if (!json.contains(name)) return latency;
  const Json& buckets = json[name];
  if (!buckets.is_array() || buckets.size() > kMaxBuckets) {
    throw Malformed(fmt::format("\"{}\" is not a list of buckets", name));
  }
  for (const Json& bucket : buckets) {
    if (!bucket.is_array() || bucket.size() != 2 || !bucket[0].is_number_unsigned() ||
        !bucket[1].is_number_unsigned()) {
      throw Malformed(fmt::format("\"{}\" has a bucket that is not [lower_ns, count]", name));
    }
    latency.emplace_back(bucket[0].get<std::uint64_t>(), bucket[1].get<std::uint64_t>());
    if (latency.size() > 1 && latency.end()[-2].first >= latency.back().first) {
      throw Malformed(fmt::format("\"{}\" is not in ascending order", name));
    }
  }
  return latency;
}

// Empty where it is missing.
std::vector<Position> positions_of(const Json& json) {
  std::vector<Position> positions;
  if (!json.contains("positions")) return positions;
  const Json& all = json["positions"];
  if (!all.is_array()) throw Malformed("\"positions\" is not a list");
  for (const Json& one : all) {
    const auto is_number = [&one](std::size_t i) { return one[i].is_number_unsigned(); };
    if (!one.is_array() || one.size() != 3 || !is_number(0) || !is_number(1) || !is_number(2) ||
        one[0] > std::numeric_limits<std::uint32_t>::max()) {
      throw Malformed("\"positions\" has one that is not [position, samples, median_ns]");
    }
    positions.push_back(
        {one[0].get<std::uint32_t>(), one[1].get<std::uint64_t>(), one[2].get<std::uint64_t>()});
  }
  return positions;
}

// What tells a kernel, without its numbers.
Kernel kernel_name_of(const Json& json) {
  Kernel kernel;
  kernel.algorithm = text_or_null(json, "algorithm");
  if (!kernel.algorithm.empty() && kernel.algorithm != "copy_engine") {
    kernel.algorithm = known(kAlgorithmNames, kernel.algorithm, "algorithm");
  }
  kernel.protocol = text_or_null(json, "protocol");
  if (!kernel.protocol.empty())
    kernel.protocol = known(kProtocolNames, kernel.protocol, "protocol");
  kernel.channels = static_cast<int>(natural(json, "channels", 255));
  return kernel;
}

Kernel kernel_of(const Json& json) {
  Kernel kernel = kernel_name_of(json);
  kernel.enqueued = natural(json, "enqueued", kAny);
  kernel.replayed = natural(json, "replayed", kAny);
  kernel.latency_ns = latency_of(json, "latency_ns");
  kernel.after_gap_ns = latency_of(json, "after_gap_ns");
  kernel.positions = positions_of(json);
  return kernel;
}

// What tells a call, without its numbers.
Call call_name_of(const Json& json) {
  Call call;
  call.operation = known(kOperationNames, text(json, "call"), "call");
  call.communicator = static_cast<std::uint32_t>(natural(json, "communicator", kMaxIndex));
  call.data_type = known(kDataTypeNames, text(json, "data_type"), "data_type");
  call.bucket = json.contains("bucket_bytes");
  call.count = natural(json, call.bucket ? "bucket_bytes" : "count", kAny);
  call.captured = flag(json, "captured");
  return call;
}

Call call_of(const Json& json) {
  Call call = call_name_of(json);
  if (!member(json, "calls").is_null()) call.calls = natural(json, "calls", kAny);
  if (json.contains("graphs") && !json["graphs"].is_null()) {
    call.graphs = natural(json, "graphs", kAny);
  }
  const Json& kernels = member(json, "kernels");
  if (!kernels.is_array()) throw Malformed("\"kernels\" is not a list");
  for (const Json& kernel : kernels) call.kernels.push_back(kernel_of(kernel));
  return call;
}

Communicator communicator_of(const Json& json) {
  Communicator communicator;
  communicator.index = static_cast<std::uint32_t>(natural(json, "communicator", kMaxIndex));
  communicator.comm_id = text(json, "comm_id");
  communicator.name = text(json, "name");
  communicator.nodes = static_cast<int>(natural(json, "nodes", kMaxRanks));
  communicator.ranks = static_cast<int>(natural(json, "ranks", kMaxRanks));
  const Json& rank = member(json, "rank");
  if (rank != -1) communicator.rank = static_cast<int>(natural(json, "rank", kMaxRanks));
  return communicator;
}

// Ascending, so that a search need not look at all.
void add_communicator(Communicator communicator, Profile& profile) {
  if (!profile.communicators.empty() && profile.communicators.back().index >= communicator.index) {
    throw Malformed("\"communicator\" is not in ascending order");
  }
  profile.communicators.push_back(std::move(communicator));
}

void read_header(const Json& json, Profile& profile) {
  const std::uint64_t version = natural(json, "vernier_profile", kAny);
  if (version != kVersion) {
    throw Malformed(fmt::format("format version {}; this vernier reads {}", version, kVersion));
  }
  profile.host = text(json, "host");
  profile.pid = natural(json, "pid", kAny);
  for (const char* const time : {"started_ns", "written_ns"}) (void)natural(json, time, kAny);
  profile.last_counted_ns = natural(json, "last_counted_ns", kAny);
  profile.nccl = text_or_null(json, "nccl");
  profile.mode = text(json, "mode");
  if (json.contains("timer_tick_ns")) profile.timer_tick_ns = natural(json, "timer_tick_ns", kAny);
  profile.dropped = natural(json, "dropped", kAny);
  const Json& lost = member(json, "lost_samples");
  if (!lost.is_object()) throw Malformed("\"lost_samples\" is not an object");
  profile.unsampled = natural(lost, "no_event", kAny);
  profile.mixed_samples = natural(lost, "several_calls", kAny);
  profile.torn_samples = natural(lost, "torn", kAny);
  profile.untimed_kernels = natural(lost, "kernels", kAny);
}

// An object. Throws Malformed, of whatever kind the rubbish is.
Json parse_line(std::string_view line) {
  if (line.size() > kMaxLineBytes) throw Malformed("more than 1 MiB in a line");
  std::size_t keys = 0;
  bool too_much = false;
  const auto limit = [&](int depth, Json::parse_event_t event, Json&) {
    keys += event == Json::parse_event_t::key;
    too_much |= depth > kMaxNesting || keys > kMaxKeys;
    return !too_much;
  };
  Json json = Json::parse(line, limit, false);
  if (too_much || !json.is_object()) throw Malformed("no JSON object of ours");
  return json;
}

// [kind,start,stop]; there are many of these, so it is read by hand.
RawKernel raw_kernel_of(std::string_view line, std::size_t kinds) {
  std::array<std::uint64_t, 3> values{};
  const char* at = line.data() + 1;
  const char* const end = line.data() + line.size();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto [next, error] = std::from_chars(at, end, values[i]);
    const char wanted = i + 1 < values.size() ? ',' : ']';
    if (error != std::errc() || next == end || *next != wanted) {
      throw Malformed("no [kind,start_ns,stop_ns]");
    }
    at = next + 1;
  }
  const RawKernel kernel{static_cast<std::size_t>(values[0]), values[1], values[2]};
  if (at != end || kernel.kind >= kinds || kernel.stop_ns < kernel.start_ns) {
    throw Malformed("no kernel of ours");
  }
  return kernel;
}

TunerDecision decision_of(const Json& json) {
  if (natural(json, "vernier_tuner", kAny) != kVersion) throw Malformed("another version");
  TunerDecision decision;
  decision.host = text(json, "host");
  decision.pid = natural(json, "pid", kAny);
  decision.comm_id = text_or_null(json, "comm_id");
  decision.ranks = static_cast<int>(natural(json, "ranks", kMaxRanks));
  decision.nodes = static_cast<int>(natural(json, "nodes", kMaxRanks));
  decision.digest = text_or_null(json, "digest");
  decision.mode = text(json, "mode");
  decision.reason = known(kReasonNames, text(json, "reason"), "reason");
  return decision;
}

// The first line of `text`, which is taken away from it.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

Profile read_profile(const std::string& file, std::string_view text,
                     std::vector<std::string>& problems) {
  if (text.empty()) throw Malformed("the file is empty");
  Profile profile;
  std::string problem = "it ends too early";
  for (std::size_t number = 1; !text.empty(); ++number) {
    try {
      const Json json = parse_line(take_line(text));
      if (number == 1) {
        read_header(json, profile);
      } else if (json.contains("end_after_lines")) {
        if (natural(json, "end_after_lines", kAny) == number - 1) return profile;
        break;
      } else if (json.contains("call")) {
        profile.calls.push_back(call_of(json));
      } else {
        add_communicator(communicator_of(json), profile);
      }
    } catch (const Malformed& malformed) {
      problem = fmt::format("line {}: {}", number, malformed.what());
      if (number == 1) throw Malformed(problem);
      break;
    }
  }
  problems.push_back(fmt::format("{}: {}", file, problem));
  return profile;
}

std::vector<TunerDecision> read_tuner_decisions(const std::string& file, std::string_view text,
                                                std::vector<std::string>& problems) {
  std::vector<TunerDecision> decisions;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    try {
      decisions.push_back(decision_of(parse_line(line)));
    } catch (const Malformed& problem) {  // each line stands for itself
      problems.push_back(fmt::format("{}: line {}: {}", file, number, problem.what()));
      if (problems.size() > kMaxProblems) break;
    }
  }
  return decisions;
}

RawFile read_raw(const std::string& file, std::string_view text,
                 std::vector<std::string>& problems) {
  RawFile raw;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    try {
      if (number == 1) {
        const Json json = parse_line(line);
        if (natural(json, "vernier_raw", kAny) != kVersion) throw Malformed("another version");
        raw.host = vernier::text(json, "host");
        raw.pid = natural(json, "pid", kAny);
      } else if (line.starts_with('[')) {
        raw.kernels.push_back(raw_kernel_of(line, raw.kinds.size()));
      } else {
        const Json json = parse_line(line);
        if (natural(json, "kind", kAny) != raw.kinds.size())
          throw Malformed("\"kind\" is not the next");
        const Json& of = member(json, "of");
        raw.kinds.push_back({of == Json{{"communicator", 0}} ? Communicator() : communicator_of(of),
                             call_name_of(member(json, "call")),
                             kernel_name_of(member(json, "kernel"))});
      }
    } catch (const Malformed& problem) {
      const std::string what = fmt::format("line {}: {}", number, problem.what());
      if (number == 1) throw Malformed(what);
      problems.push_back(fmt::format("{}: {}", file, what));
      return raw;
    }
  }
  return raw;
}

const Communicator* find_communicator(const Profile& profile, std::uint32_t index) {
  const auto found = std::lower_bound(
      profile.communicators.begin(), profile.communicators.end(), index,
      [](const Communicator& one, std::uint32_t wanted) { return one.index < wanted; });
  return found == profile.communicators.end() || found->index != index ? nullptr : &*found;
}

std::uint64_t samples_of(const Latency& latency) {
  std::uint64_t samples = 0;
  for (const auto& [lower_ns, count] : latency) samples += count;
  return samples;
}

namespace {

// Buckets are sixteenths of powers of two: the middle is a thirty-second further.
std::uint64_t middle_ns(std::uint64_t lower_ns) {
  return lower_ns + (std::bit_floor(lower_ns) >> 5);
}

}  // namespace

double total_ns(const Latency& latency) {
  double total = 0;
  for (const auto& [lower_ns, count] : latency) {
    total += static_cast<double>(middle_ns(lower_ns)) * static_cast<double>(count);
  }
  return total;
}

std::uint64_t percentile_ns(const Latency& latency, double share) {
  const auto samples = static_cast<double>(samples_of(latency));
  double seen = 0;
  for (const auto& [lower_ns, count] : latency) {
    seen += static_cast<double>(count);
    if (seen >= share * samples) return middle_ns(lower_ns);
  }
  return 0;
}

std::optional<std::uint64_t> tuner_bytes(const Call& call, int ranks) {
  if (call.bucket) return call.count;
  const auto type = std::find(kDataTypeNames.begin(), kDataTypeNames.end(), call.data_type);
  if (type == kDataTypeNames.end()) return std::nullopt;
  std::uint64_t nbytes = kDataTypeBytes[static_cast<std::size_t>(type - kDataTypeNames.begin())];
  if (nbytes == 0) return std::nullopt;
  const bool scattered = call.operation == "allgather" || call.operation == "reducescatter";
  if (scattered && ranks == 0) return std::nullopt;
  const std::uint64_t factor = scattered ? static_cast<std::uint64_t>(ranks) : 1;
  if (__builtin_mul_overflow(nbytes, call.count, &nbytes) ||
      __builtin_mul_overflow(nbytes, factor, &nbytes)) {
    return std::nullopt;
  }
  return nbytes;
}

}  // namespace vernier::profile
