// SPDX-License-Identifier: Apache-2.0
//
// What the logs of a job tell, all files together. Lines go in one by one; memory is bounded,
// whatever they hold.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "tools/explain/vllm_line.hpp"
#include "tools/nccl_log/nccl_line.hpp"

namespace vernier::joblog {

// One call as the sequence check compares it: ranks of a communicator make the same ones.
struct SequencedCall {
  std::uint64_t op_count;
  std::uint64_t count;
  std::uint8_t operation;  // index into kOperationNames
  std::uint8_t data_type;
  std::int16_t reduction;
  std::int32_t root;
};

// A communicator as one rank sees it.
struct Member {
  std::string process;  // "host:pid"
  std::string comm_id;  // empty: its creation was not logged
  int rank = -1;        // -1: as above
  int ranks = 0;
  int nodes = 0;  // 0: not told
  bool complete = false;
  std::optional<nccl_log::TunerReport> tuner;
  std::vector<SequencedCall> calls;  // without point-to-point, in the order of the log
};

// What a process says of tuner plugins.
struct Process {
  std::string nccl;
  std::map<std::string, std::string> variables;  // NCCL_* as it read them
  std::string tuner;                             // the plugin's own name; empty: none was loaded
  std::string tuner_path;
  std::string not_found;  // the files that NCCL looked for
  bool unsupported = false;
  bool internal = false;
  std::map<std::string, std::string> warnings;  // of ours: reason -> text
  std::vector<std::size_t> members;             // indices
};

// What NCCL ran for a call.
struct Ran {
  nccl_log::Selection::Path path;
  std::optional<Choice> choice;
  int channels;
  std::string kernel;
  [[nodiscard]] std::string text() const;  // "ring/ll/4", "AllReduce_AGxLL_R", "copy engine"
  friend bool operator<(const Ran& a, const Ran& b) { return a.key() < b.key(); }

 private:
  [[nodiscard]] std::tuple<int, int, int, int, std::string_view> key() const;
};

// One size of one collective on one communicator of one process.
struct CallKind {
  std::size_t member;     // index, or kNoMember
  std::string operation;  // empty: NCCL did not tell
  std::uint64_t nbytes;
  bool of_one_rank;  // nbytes are to be multiplied by ranks, of allgather and reducescatter
  auto operator<=>(const CallKind&) const = default;
};
struct CallCounts {
  std::uint64_t calls = 0;            // of the API (COLL)
  std::map<Ran, std::uint64_t> runs;  // lines that say what ran (TUNING)
  std::string observed;               // mode observe: "tree/ll: applied"
};

class JobLog {
 public:
  static constexpr std::size_t kNoMember = ~std::size_t{0};
  static constexpr std::size_t kMaxLineBytes = 64 << 10;

  // One line, without its end. Longer ones are counted as those that cannot be read.
  void add_line(std::string_view line);

  struct Totals {
    std::uint64_t lines = 0;
    std::uint64_t nccl = 0;        // of NCCL, of whatever it speaks
    std::uint64_t told = 0;        // of them those that told something
    std::uint64_t vllm = 0;        // that told something
    std::uint64_t unreadable = 0;  // torn or too long
    std::uint64_t forgotten = 0;   // for which there was no room
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }
  [[nodiscard]] const VllmFacts& vllm() const { return vllm_; }
  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  // Of the policies that vernier says it runs.
  [[nodiscard]] std::set<std::string> digests() const;
  [[nodiscard]] const std::map<std::string, Process, std::less<>>& processes() const {
    return processes_;
  }
  [[nodiscard]] const std::map<CallKind, CallCounts>& calls() const { return calls_; }
  // Of lines that name no process.
  [[nodiscard]] const std::string& nccl() const { return nccl_; }

 private:
  void add_event(const nccl_log::Line& line, const nccl_log::Event& event);
  void add_init(const nccl_log::Line& line, const nccl_log::InitLine& init);
  void add_shape(const nccl_log::Line& line, const nccl_log::ShapeLine& shape);
  void add_call(const nccl_log::Line& line, const nccl_log::ApiCall& call);
  void add_selection(const nccl_log::Selection& selection, std::size_t member);
  void add_plugin(Process& process, const nccl_log::TunerPlugin& plugin);
  void add_observed(const nccl_log::Line& line, const nccl_log::Observed& observed);
  // kNoMember: no room.
  std::size_t make_member(std::string_view process, const std::string& address, int rank,
                          int ranks);
  [[nodiscard]] std::size_t find_member(std::string_view process, const std::string& address) const;
  // Whose selection it is; the line does not say.
  [[nodiscard]] std::size_t guess_member(const nccl_log::Line& line) const;
  CallCounts* counts_of(CallKind kind);
  Process* process_of(std::string_view name);

  Totals totals_;
  VllmFacts vllm_;
  std::string nccl_;
  std::vector<Member> members_;
  std::map<std::pair<std::string, std::string>, std::size_t> by_address_;  // (process, address)
  struct Thread {
    std::size_t makes = kNoMember;               // the communicator that it made last
    std::size_t called = kNoMember;              // or last made a call on
    std::optional<nccl_log::TuningInput> input;  // 2.31: not yet answered
  };
  std::map<std::string, Thread, std::less<>> threads_;
  std::map<std::string, Process, std::less<>> processes_;
  std::map<CallKind, CallCounts> calls_;
  std::size_t sequenced_ = 0;  // calls kept, of all members
  std::size_t runs_ = 0;       // of all kinds
  std::size_t variables_ = 0;  // of all processes
};

}  // namespace vernier::joblog
