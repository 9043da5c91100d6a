// SPDX-License-Identifier: Apache-2.0
//
// What the plugins wrote into NCCL_VERNIER_LOG_DIR (docs/log-format.md), read back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vernier::profile {

// (smallest latency of a bucket, samples in it), ascending. Buckets are sixteenths of powers of
// two.
using Latency = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

[[nodiscard]] std::uint64_t samples_of(const Latency& latency);

// The middle of the bucket in which that share of the samples ends; 0 without samples.
[[nodiscard]] std::uint64_t percentile_ns(const Latency& latency, double share);

// The sum of all samples, each taken as the middle of its bucket.
[[nodiscard]] double total_ns(const Latency& latency);

// The times of one operation of a graph: the same number on all ranks is the same operation.
struct Position {
  std::uint32_t position = 0;  // of the call among the captured ones of its communicator
  std::uint64_t samples = 0;
  std::uint64_t median_ns = 0;
};

struct Kernel {
  std::string algorithm;  // as in a policy, or "copy_engine"; empty where NCCL named none
  std::string protocol;   // or empty
  int channels = 0;
  std::uint64_t enqueued = 0;  // eager, or at capture
  std::uint64_t replayed = 0;  // by graphs, where NCCL tells
  Latency latency_ns;          // of the launches that were timed
  Latency after_gap_ns;        // of those that came after a pause, and waited for the other ranks
  std::vector<Position> positions;
};

struct Call {
  std::string operation;
  std::uint32_t communicator = 0;  // index into the file's communicators; 0: any of them
  std::string data_type;
  std::uint64_t count = 0;  // elements; of a bucket its smallest bytes, as a policy counts them
  bool bucket = false;
  bool captured = false;
  std::optional<std::uint64_t> calls;  // before NCCL 2.28 only kernels are told
  std::uint64_t graphs = 0;            // that hold such calls; 0: not known
  std::vector<Kernel> kernels;
};

struct Communicator {
  std::uint32_t index = 0;
  std::string comm_id;  // 16 hexadecimal digits
  std::string name;
  int nodes = 0;  // 0, as ranks, and -1 for rank: not known
  int ranks = 0;
  int rank = -1;
};

struct Profile {
  std::string host;
  std::uint64_t pid = 0;
  std::uint64_t last_counted_ns = 0;  // 0: nothing yet
  std::string nccl;                   // empty: not known
  std::string mode;
  std::uint64_t timer_tick_ns = 0;  // what times of mode sampled are multiples of; 0: not known
  std::uint64_t dropped = 0;
  // Launches that were to be timed, and were not: nowhere was room for their times, one launch ran
  // several calls, a replay came between two readings.
  std::uint64_t unsampled = 0;
  std::uint64_t mixed_samples = 0;
  std::uint64_t torn_samples = 0;
  std::uint64_t untimed_kernels = 0;
  std::vector<Communicator> communicators;  // ascending by index
  std::vector<Call> calls;
};

// Null where a call's communicator is any of them.
[[nodiscard]] const Communicator* find_communicator(const Profile& profile, std::uint32_t index);

// One line of tuner-*.jsonl: what the tuner plugin decided about a communicator.
struct TunerDecision {
  std::string host;
  std::uint64_t pid = 0;
  std::string comm_id;  // empty: NCCL before 2.28 has none
  int ranks = 0;
  int nodes = 0;
  std::string digest;  // of the policy; empty without one
  std::string mode;
  std::string reason;
};

// Throws Malformed: the file's version is another, or its first line is not what it has to be.
// What is wrong further down goes into `problems`, a line each; the lines before it are used.
[[nodiscard]] Profile read_profile(const std::string& file, std::string_view text,
                                   std::vector<std::string>& problems);
[[nodiscard]] std::vector<TunerDecision> read_tuner_decisions(const std::string& file,
                                                              std::string_view text,
                                                              std::vector<std::string>& problems);

// Bytes of a call as the tuner and a policy count them: those of allgather and reducescatter times
// ranks. nullopt where the data type or the ranks are not known.
[[nodiscard]] std::optional<std::uint64_t> tuner_bytes(const Call& call, int ranks);

// raw0-*.jsonl or raw1-*.jsonl: kernels one by one.
struct RawKernel {
  std::size_t kind = 0;
  std::uint64_t start_ns = 0;  // of the GPU's timer; those of two GPUs are not the same clock
  std::uint64_t stop_ns = 0;
};
struct RawKind {
  Communicator communicator;
  Call call;  // without numbers
  Kernel kernel;
};
struct RawFile {
  std::string host;
  std::uint64_t pid = 0;
  std::vector<RawKind> kinds;
  std::vector<RawKernel> kernels;  // as they were read, not in order
};
// As read_profile.
[[nodiscard]] RawFile read_raw(const std::string& file, std::string_view text,
                               std::vector<std::string>& problems);

// All files of a directory together.
struct Job {
  std::vector<Profile> profiles;
  std::vector<TunerDecision> tuner_decisions;
  std::vector<RawFile> raw;           // read where asked only
  std::vector<std::string> problems;  // files that could not be read, or not whole
};
// Throws Malformed where the directory cannot be read or holds no profile.
enum class WithRaw : bool { no, yes };
[[nodiscard]] Job read_job(const std::string& directory, WithRaw raw = WithRaw::no);

}  // namespace vernier::profile
