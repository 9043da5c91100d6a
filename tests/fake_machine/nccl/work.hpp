// SPDX-License-Identifier: Apache-2.0
//
// A collective that was chosen: what happens when the stream, or a graph, gets to it.
#pragma once

#include <memory>

#include "tests/fake_machine/cuda/work.hpp"
#include "tests/fake_machine/nccl/communicator.hpp"

namespace vernier::fake_machine {

class CollectiveWork final : public Work {
 public:
  CollectiveWork(std::shared_ptr<Communicator> comm, const Call& call,
                 const Communicator::Chosen& chosen)
      : comm_(std::move(comm)), call_(call), chosen_(chosen) {}

  void run(const Run& run) override;
  [[nodiscard]] bool is_repeated_by(const Work& next) const override;

 private:
  void move_data();

  std::shared_ptr<Communicator> comm_;
  Call call_;
  Communicator::Chosen chosen_;
};

// One send and one receive.
class ExchangeWork final : public Work {
 public:
  ExchangeWork(std::shared_ptr<Communicator> comm, const Exchange& parts)
      : comm_(std::move(comm)), parts_(parts) {}

  void run(const Run& run) override;
  [[nodiscard]] bool is_repeated_by(const Work& next) const override;

 private:
  std::shared_ptr<Communicator> comm_;
  Exchange parts_;
};

}  // namespace vernier::fake_machine
