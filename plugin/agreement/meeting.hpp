// SPDX-License-Identifier: Apache-2.0
//
// Ranks of one communicator on one node meet in shared memory before its first collective, and all
// of them obey one verdict. docs/agreement.md is the protocol; tests/unit/meeting_model_test.cc
// explores it exhaustively.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "plugin/agreement/ballot.hpp"
#include "plugin/agreement/shared_file.hpp"

namespace vernier {

enum class Verdict : std::uint32_t {
  none,     // this rank could not vote, so that nobody can get `active`
  active,   // all ranks came, all agree
  differ,   // all came, and not all agree, or not all would apply rules
  missing,  // somebody's time was over before all had come
  died      // all came, and one was gone when the last one came
};

// What the ranks of one communicator have in common, and other communicators have not. NCCL's
// commId repeats for shrinks of one parent: meetings with one key have to follow one another.
struct MeetingKey {
  std::uint64_t comm_id;
  int nranks;
  std::string host;  // NCCL_HOSTID: emulated nodes are no neighbours
};

class Meeting {
 public:
  // Everything that can fail because of memory: throws std::bad_alloc. `directory` is /dev/shm but
  // in tests.
  Meeting(const MeetingKey& key, const Ballot& ballot, std::chrono::milliseconds timeout,
          const std::string& directory);

  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  // Votes, and waits for the verdict, until the timeout and some milliseconds are over at most.
  // Once. No lock is held while waiting but the one that shows that this rank lives. Whoever gets
  // `active` can rely on all nranks ranks getting it, but one that died.
  [[nodiscard]] Verdict attend() noexcept;

  // For messages, after attend(). Who had voted when this rank left; throws std::bad_alloc.
  [[nodiscard]] std::vector<Ballot> present() const;
  [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }
  // Why this rank could not vote; empty where it could.
  [[nodiscard]] std::string problem() const;

 private:
  struct Region;  // the shared memory

  [[nodiscard]] bool join(Deadline deadline) noexcept;
  [[nodiscard]] bool try_join() noexcept;
  [[nodiscard]] bool is_alive(std::uint32_t voter) const noexcept;
  [[nodiscard]] bool is_open(std::uint32_t voters) const noexcept;
  [[nodiscard]] bool lock_names(Deadline deadline) noexcept;
  [[nodiscard]] Verdict judge() const noexcept;
  void conclude(Verdict verdict) noexcept;
  bool fail(const char* what, int error) noexcept;

  Ballot ballot_;
  std::uint32_t nranks_;
  std::chrono::milliseconds timeout_;
  std::string names_path_;
  std::string region_path_;
  off_t key_byte_;        // of the file of names, which is never written to
  FileDescriptor names_;  // its lock on key_byte_: region_path_ is used by one rank at a time
  FileDescriptor file_;   // its lock on a voter's byte: that voter is alive
  Mapping mapping_;
  Region* region_ = nullptr;
  off_t voter_ = -1;  // which one this rank is; -1: it has not voted
  const char* problem_ = nullptr;
  int error_ = 0;
};

}  // namespace vernier
