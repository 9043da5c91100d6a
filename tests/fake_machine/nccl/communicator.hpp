// SPDX-License-Identifier: Apache-2.0
//
// One rank of a communicator: a place to meet the others, and an NCCL-like host that asks the tuner
// and chooses.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "tests/contract/nccl_like/communicator.hpp"
#include "tests/fake_machine/nccl/call.hpp"
#include "tests/fake_machine/nccl/faults.hpp"
#include "tests/fake_machine/nccl/meeting.hpp"
#include "tests/fake_machine/nccl/noise.hpp"
#include "tests/fake_machine/nccl/unique_id.hpp"

namespace vernier::fake_machine {

[[nodiscard]] int nccl_version();

// Kept alive by the graphs that hold its work.
class Communicator : public std::enable_shared_from_this<Communicator> {
 public:
  // nullptr where creation fails; `result` says how.
  [[nodiscard]] static std::shared_ptr<Communicator> create(const IdContent& id, int ranks,
                                                            int rank, ncclResult_t& result);
  ~Communicator();

  // Chooses, and enqueues on the stream.
  [[nodiscard]] ncclResult_t call(const Call& call, Stream* stream);
  [[nodiscard]] ncclResult_t exchange(const Exchange& parts, Stream* stream);

  // As ncclCommWindowRegister: every rank calls it. FAKE_NCCL_WINDOWS says how it goes.
  [[nodiscard]] ncclResult_t register_window(std::byte* buffer, std::size_t nbytes, void** window);

 private:
  friend class CollectiveWork;
  friend class ExchangeWork;

  struct Chosen {
    Decision decision;
    FaultKind fault;
    double predicted_us;
    double true_us;
  };

  Communicator(const IdContent& id, int ranks, int rank);
  [[nodiscard]] bool has_duplicate_device() const;
  [[nodiscard]] ncclResult_t choose(const Call& call, bool captured, Chosen& chosen);
  void take_memory(int algorithm);
  [[nodiscard]] bool in_window(const std::byte* buffer, std::size_t nbytes) const;

  Meeting meeting_;
  int device_;
  NcclLikeShape shape_;
  const contract::ReleaseFacts& facts_;
  Noise noise_;
  Faults faults_;
  std::unique_ptr<NcclLikeComm> host_;
  std::set<int> connected_;                          // algorithms
  std::map<const std::byte*, std::size_t> windows_;  // bytes, by address
  std::size_t taken_bytes_ = 0;
};

}  // namespace vernier::fake_machine
