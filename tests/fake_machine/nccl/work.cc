// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/work.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "tests/fake_machine/environment.hpp"
#include "tests/fake_machine/nccl/data.hpp"
#include "tests/fake_machine/nccl/exchange.hpp"
#include "tests/fake_machine/nccl/truth.hpp"

namespace vernier::fake_machine {
namespace {

constexpr double kEagerLaunchUs = 6;
constexpr int kExchangeCell = -1;  // of the noise: none of the table's
constexpr double kNsPerUs = 1000;

double slowness() {
  static const auto factor = static_cast<double>(env_number("FAKE_NCCL_SLOWNESS", 1));
  return factor;
}

}  // namespace

void CollectiveWork::run(const Run& run) {
  if (chosen_.fault == FaultKind::crash) std::abort();
  while (chosen_.fault == FaultKind::hang) pause();
  if (!run.superseded) move_data();
  const int cell = chosen_.decision.algorithm * kProtocols + chosen_.decision.protocol;
  const double us = slowness() * (chosen_.true_us + (run.graph == 0 ? kEagerLaunchUs : 0));
  fake_cuda_advance(us * comm_->noise_.factor(cell, run) * kNsPerUs);
}

void CollectiveWork::move_data() {
  Meeting& meeting = comm_->meeting_;
  const std::size_t size = element_bytes(call_.type);
  const Extent extent = extent_of(call_, meeting.ranks());
  // Faults show on the last rank that has an output.
  const int victim = call_.func == ncclFuncReduce ? call_.root : meeting.ranks() - 1;
  std::byte* const last = call_.recv + extent.recv_bytes - size;
  std::array<std::byte, 8> before{};
  if (meeting.rank() == victim) std::memcpy(before.data(), last, size);
  exchange(meeting, call_, chosen_.decision);
  if (meeting.rank() != victim) return;
  if (chosen_.fault == FaultKind::unwritten) std::memcpy(last, before.data(), size);
  if (chosen_.fault == FaultKind::wrong) {
    add_one(call_.recv + extent.recv_bytes / size / 2 * size, call_.type);
  }
}

bool CollectiveWork::is_repeated_by(const Work& next) const {
  const auto* const other = dynamic_cast<const CollectiveWork*>(&next);
  if (other == nullptr || comm_ != other->comm_ || !(call_ == other->call_) ||
      !(chosen_.decision == other->chosen_.decision)) {
    return false;
  }
  // In place, the next one reads what this one wrote.
  const Extent extent = extent_of(call_, comm_->meeting_.ranks());
  return call_.send + extent.send_bytes <= call_.recv ||
         call_.recv + extent.recv_bytes <= call_.send;
}

void ExchangeWork::run(const Run& run) {
  if (!run.superseded) exchange(comm_->meeting_, parts_);
  const double us = slowness() * (kExchangeUs + (run.graph == 0 ? kEagerLaunchUs : 0));
  fake_cuda_advance(us * comm_->noise_.factor(kExchangeCell, run) * kNsPerUs);
}

bool ExchangeWork::is_repeated_by(const Work& next) const {
  const auto* const other = dynamic_cast<const ExchangeWork*>(&next);
  return other != nullptr && comm_ == other->comm_ && parts_ == other->parts_;
}

}  // namespace vernier::fake_machine
