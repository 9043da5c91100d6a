// SPDX-License-Identifier: Apache-2.0
//
// One line of NCCL's own log (NCCL_DEBUG=INFO), 2.19 to 2.32: who wrote it, and what it tells.
// Pure, and nothing in a line is trusted: ranks that share a file tear each other's lines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "vernier/names.hpp"

namespace vernier::nccl_log {

// Views into the line.
struct Line {
  std::string_view process;  // "host:pid"; empty where nobody is named
  std::string_view thread;   // "host:pid:tid"
  bool warning;
  std::string_view text;  // behind "NCCL INFO " or "NCCL WARN "
};

// nullopt: not NCCL's. Whatever launchers put in front of a line, and time stamps, are passed over.
[[nodiscard]] std::optional<Line> split_line(std::string_view line);

// It begins as one of those below, and does not go on so.
struct Torn {};

// "NCCL version 2.28.9+cuda12.9"
struct Version {
  std::string text;  // "2.28.9"
};

// "ncclCommInitRank comm 0x.. rank 0 nranks 4 .. commId 0x.. - Init START", or COMPLETE. A split
// communicator gets its id with the second.
struct InitLine {
  std::string address;  // of this process
  int rank;
  int ranks;
  std::string comm_id;  // as written, or empty
  bool start;
};

// "comm 0x.. rank 0 nRanks 4 nNodes 1 localRanks 4 ..." (2.19)
struct ShapeLine {
  std::string address;
  int ranks;
  int nodes;
};

// What NCCL chose for a call; rank 0 alone tells. Subsystem TUNING.
struct Selection {
  enum class Path : std::uint8_t { table, symmetric, copy_engine };
  std::string operation;  // "allreduce"; empty in 2.20 to 2.22, which do not name it
  std::uint64_t nbytes;
  // 2.24 and later count the bytes of one rank; before, and in "Best tuning", as a tuner sees them.
  bool of_one_rank;
  Path path;
  std::optional<Choice> choice;  // of the table
  int channels;                  // 0: not told
  std::string kernel;            // of symmetric memory
};

// 2.31 and later: "Input: { .comm = 0x.., .func = AllReduce, .. .nBytes = 8192, .." in front of
// "Best tuning { .. .algo = RING, .proto = LL, .. nChannels = 4, .." of the same thread.
struct TuningInput {
  std::string address;
  std::string operation;
  std::uint64_t nbytes;
};
struct BestTuning {
  Choice choice;
  int channels;
};

// A call of the API, on every rank: "AllReduce: opCount 1a sendbuff .. count 64 datatype 7 op 0
// root 0 comm 0x.. [nranks=2] stream 0x..". Subsystem COLL.
struct ApiCall {
  std::string operation;
  std::uint64_t op_count;  // of the communicator; calls of a group share it
  std::uint64_t count;     // elements, as the caller gave them
  int data_type;           // ncclDataType_t
  int reduction;           // ncclRedOp_t
  int root;                // of send and recv the peer
  std::string address;
  int ranks;
};

// "NCCL_ALGO set by environment to ring" (ENV)
struct Variable {
  std::string name;
  std::string value;
};

// "TUNER/Plugin: ...", and from 2.28 on "Successfully loaded external tuner plugin PATH".
struct TunerPlugin {
  enum class State : std::uint8_t { loaded, at_path, not_found, unsupported, internal };
  State state;
  std::string name;  // of the plugin, its path, or the file that was looked for
};

// Our tuner's line for a communicator.
struct TunerReport {
  std::string nccl;
  std::string digest;  // "sha256:..."; empty without a policy
  int active_rules;
  int rules;
  std::string mode;
  std::string reason;  // a word of reason.hpp
  std::string detail;  // or empty
};

// Mode observe: "observed allreduce of 8192 bytes: the rule at line 3 for tree/ll would have been:
// applied".
struct Observed {
  std::string operation;
  std::uint64_t nbytes;
  std::string choice;
  std::string reason;
};

// A warning of one of our plugins; `reason` where rules do not apply.
struct PluginWarning {
  std::string reason;
  std::string text;
};

// monostate: nothing we look for.
using Event =
    std::variant<std::monostate, Torn, Version, InitLine, ShapeLine, Selection, TuningInput,
                 BestTuning, ApiCall, Variable, TunerPlugin, TunerReport, Observed, PluginWarning>;

[[nodiscard]] Event parse_event(const Line& line);

// Older NCCLs print their version without naming process or level.
[[nodiscard]] std::optional<Version> find_version(std::string_view line);

}  // namespace vernier::nccl_log
