// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/communicator.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "tests/contract/nccl_like/selection.hpp"
#include "tests/fake_machine/environment.hpp"
#include "tests/fake_machine/nccl/channels.hpp"
#include "tests/fake_machine/nccl/data.hpp"
#include "tests/fake_machine/nccl/exchange.hpp"
#include "tests/fake_machine/nccl/log.hpp"
#include "tests/fake_machine/nccl/truth.hpp"
#include "tests/fake_machine/nccl/variables.hpp"
#include "tests/fake_machine/nccl/work.hpp"

namespace vernier::fake_machine {
namespace {

constexpr int kDefaultVersion = 22809;
constexpr std::size_t kMib = 1024 * 1024;
constexpr std::size_t kRingBytes = 4 * kMib;
constexpr std::size_t kOtherBytes = 24 * kMib;

// The newest release with facts that is not newer.
const contract::ReleaseFacts& facts_of(int version) {
  for (int code = version; code >= 22100; --code) {
    if (const contract::ReleaseFacts* const facts = contract::find_release(code)) return *facts;
  }
  std::fprintf(stderr, "fake NCCL: nothing is known about FAKE_NCCL_VERSION %d\n", version);
  std::_Exit(2);
}

std::uint64_t host_hash() {
  std::string host = env_text("NCCL_HOSTID");
  if (host.empty()) {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    host = name.data();
  }
  return std::hash<std::string>{}(host);
}

}  // namespace

int nccl_version() { return static_cast<int>(env_number("FAKE_NCCL_VERSION", kDefaultVersion)); }

Communicator::Communicator(const IdContent& id, int ranks, int rank)
    : meeting_(id.name, ranks, rank, {host_hash(), fake_cuda_current_device()}),
      device_(fake_cuda_current_device()),
      shape_{ranks,   meeting_.count_hosts(),
             id.seed, static_cast<int>(env_number("FAKE_NCCL_CHANNELS", 32)),
             0,       0},
      facts_(facts_of(nccl_version())),
      noise_(id.seed, shape_.nodes, rank),
      faults_(has_faults() ? env_text("FAKE_NCCL_FAULT") : "") {}

std::shared_ptr<Communicator> Communicator::create(const IdContent& id, int ranks, int rank,
                                                   ncclResult_t& result) {
  result = ncclInvalidUsage;
  if (refuses_communicators()) {
    std::fprintf(stderr, "fake NCCL: NCCL_FAKE_MODE: unrecognized value\n");
    return nullptr;
  }
  std::shared_ptr<Communicator> comm(new Communicator(id, ranks, rank));
  if (comm->has_duplicate_device()) {
    std::fprintf(stderr, "fake NCCL: two ranks of one host use the same GPU\n");
    return nullptr;
  }
  comm->host_ = NcclLikeComm::create(comm->facts_, comm->shape_, result);
  log_tuner_lines(comm->device_);
  if (comm->host_ == nullptr) return nullptr;
  if (rank == 0) log_channels(comm->device_, comm->shape_.channels);
  return comm;
}

Communicator::~Communicator() { fake_cuda_give_memory(taken_bytes_); }

bool Communicator::has_duplicate_device() const {
  for (int a = 0; a < meeting_.ranks(); ++a) {
    for (int b = 0; b < a; ++b) {
      if (meeting_.member(a).host == meeting_.member(b).host &&
          meeting_.member(a).device == meeting_.member(b).device) {
        return true;
      }
    }
  }
  return false;
}

void Communicator::take_memory(int algorithm) {
  if (connected_.empty()) {
    fake_cuda_take_memory(more_bytes());
    taken_bytes_ += more_bytes();
  }
  if (!connected_.insert(algorithm).second) return;
  const std::size_t nbytes = algorithm == NCCL_ALGO_RING ? kRingBytes : kOtherBytes;
  fake_cuda_take_memory(nbytes);
  taken_bytes_ += nbytes;
}

ncclResult_t Communicator::choose(const Call& call, bool captured, Chosen& chosen) {
  const std::size_t per_rank = call.count * element_bytes(call.type);
  const std::size_t total = extent_of(call, shape_.ranks).total_bytes;
  const bool fp8 = call.type >= 10;
  const std::vector<float> model = predict_us(shape_, call.func, total, fp8, facts_.algorithms);
  NcclLikeCall question{};
  question.func = call.func;
  question.count = call.count;
  question.element_bytes = static_cast<int>(element_bytes(call.type));
  question.fp8 = fp8;
  question.ops = 1;
  question.captured = captured;
  question.model = model.data();
  question.symmetric_us = -1;
  NcclLikeOutcome outcome{};
  host_->ask(question, outcome);
  if (outcome.text[0] != '\0') std::fprintf(stderr, "fake NCCL: %s\n", outcome.text);
  if (outcome.result != ncclSuccess) return static_cast<ncclResult_t>(outcome.result);
  if (outcome.damage != NCCL_LIKE_SOUND) return ncclInternalError;
  if (outcome.ran == 0) {  // one rank: a copy
    chosen = {{NCCL_ALGO_RING, NCCL_PROTO_SIMPLE, 1}, FaultKind::none, 2, 2};
    return ncclSuccess;
  }

  const auto used = [&](int cap) {
    return used_channels(facts_.code, call.func, per_rank, shape_.ranks, outcome.protocol, cap);
  };
  const int by_default = used(contract::default_channels(
      shape_, {call.func, total, 1, 1, fp8}, {outcome.algorithm, outcome.protocol, false}));
  chosen.decision = {outcome.algorithm, outcome.protocol, used(outcome.channels)};
  const int cell = outcome.algorithm * kProtocols + outcome.protocol;
  chosen.predicted_us = outcome.after[cell];
  chosen.true_us =
      true_us(shape_, call.func, total, model, cell, chosen.decision.channels, by_default) *
      time_factor(total, outcome.protocol);
  chosen.fault = faults_.find(
      static_cast<Collective>(call.func), total,
      {static_cast<Algorithm>(outcome.algorithm), static_cast<Protocol>(outcome.protocol)},
      outcome.algorithm == outcome.default_algorithm &&
          outcome.protocol == outcome.default_protocol);
  return ncclSuccess;
}

ncclResult_t Communicator::call(const Call& call, Stream* stream) {
  const bool copies = call.func == ncclFuncAllGather || call.func == ncclFuncBroadcast;
  if (element_bytes(call.type) == 0 || call.root < 0 || call.root >= shape_.ranks ||
      (!copies && !can_reduce(call.type, call.op))) {
    return ncclInvalidArgument;
  }
  if (call.count == 0) return ncclSuccess;
  if (call.func == ncclFuncAllGather && refuses_allgather()) {
    std::fprintf(stderr, "fake NCCL: no algorithm/protocol available for function AllGather\n");
    return ncclInvalidUsage;
  }
  const Extent extent = extent_of(call, shape_.ranks);
  const bool sends = call.func != ncclFuncBroadcast || meeting_.rank() == call.root;
  if ((sends && !fake_cuda_owns(call.send, extent.send_bytes)) ||
      (receives(call, meeting_.rank()) && !fake_cuda_owns(call.recv, extent.recv_bytes))) {
    std::fprintf(stderr, "fake NCCL: a buffer is not device memory of that size\n");
    return ncclInvalidArgument;
  }
  Chosen chosen{};
  const ncclResult_t result = choose(call, fake_cuda_is_capturing(stream), chosen);
  if (result != ncclSuccess) return result;
  if (meeting_.rank() == 0 && shape_.ranks > 1) {
    log_choice(nccl_version(), device_, call, extent, chosen.decision, chosen.predicted_us);
  }
  if (chosen.fault == FaultKind::error) return ncclInternalError;
  if (in_window(call.send, extent.send_bytes) && in_window(call.recv, extent.recv_bytes)) {
    chosen.true_us *= windows_factor(extent.total_bytes);
  }
  take_memory(chosen.decision.algorithm);
  const int enqueued =
      fake_cuda_enqueue(stream, std::make_shared<CollectiveWork>(shared_from_this(), call, chosen));
  return enqueued == kCudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

ncclResult_t Communicator::exchange(const Exchange& parts, Stream* stream) {
  const auto is_rank = [&](int peer) { return peer >= 0 && peer < shape_.ranks; };
  if (!is_rank(parts.to) || !is_rank(parts.from) || parts.send_bytes > Meeting::kSlotBytes ||
      !fake_cuda_owns(parts.send, parts.send_bytes) ||
      !fake_cuda_owns(parts.recv, parts.recv_bytes)) {
    return ncclInvalidArgument;
  }
  if (const ncclResult_t result = wire_behaviour(); result != ncclSuccess) return result;
  const int enqueued =
      fake_cuda_enqueue(stream, std::make_shared<ExchangeWork>(shared_from_this(), parts));
  return enqueued == kCudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

ncclResult_t Communicator::register_window(std::byte* buffer, std::size_t nbytes, void** window) {
  *window = nullptr;
  if (!fake_cuda_owns(buffer, nbytes)) return ncclInvalidArgument;
  bool made = false;
  if (const ncclResult_t result = windows_behaviour(made); result != ncclSuccess) return result;
  meeting_.take_turn();
  meeting_.barrier();
  if (!made) return ncclSuccess;
  windows_[buffer] = nbytes;
  *window = buffer;
  return ncclSuccess;
}

bool Communicator::in_window(const std::byte* buffer, std::size_t nbytes) const {
  auto after = windows_.upper_bound(buffer);
  if (after == windows_.begin()) return false;
  const auto& [start, size] = *--after;
  return buffer + nbytes <= start + size;
}

}  // namespace vernier::fake_machine
