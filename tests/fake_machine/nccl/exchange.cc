// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/exchange.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "tests/fake_machine/nccl/data.hpp"
#include "tests/fake_machine/nccl/noise.hpp"

namespace vernier::fake_machine {
namespace {

std::uint64_t stamp_of(const Call& call, const Decision& decision) {
  std::uint64_t stamp = mix(call.count, static_cast<std::uint64_t>(call.func));
  for (const int part :
       {call.type, call.op, call.root, decision.algorithm, decision.protocol, decision.channels}) {
    stamp = mix(stamp, static_cast<std::uint64_t>(part));
  }
  return stamp;
}

void check_stamps(Meeting& meeting, std::uint64_t own) {
  for (int rank = 0; rank < meeting.ranks(); ++rank) {
    if (meeting.stamp(rank) == own) continue;
    std::fprintf(stderr, "fake NCCL: rank %d runs something else than rank %d; waiting for ever\n",
                 rank, meeting.rank());
    while (true) pause();
  }
}

// `nbytes` at `offset` of each block of the call.
struct Part {
  std::size_t block_bytes;
  std::size_t offset;
  std::size_t nbytes;
};

void put(Meeting& meeting, const Call& call, const Part& part) {
  if (call.func == ncclFuncBroadcast && meeting.rank() != call.root) return;
  std::byte* const slot = meeting.slot(meeting.rank());
  const int blocks = call.func == ncclFuncReduceScatter ? meeting.ranks() : 1;
  for (std::size_t block = 0; block < static_cast<std::size_t>(blocks); ++block) {
    std::memcpy(slot + block * part.nbytes, call.send + block * part.block_bytes + part.offset,
                part.nbytes);
  }
}

void take(Meeting& meeting, const Call& call, const Part& part) {
  if (!receives(call, meeting.rank())) return;
  if (call.func == ncclFuncBroadcast) {
    std::memcpy(call.recv + part.offset, meeting.slot(call.root), part.nbytes);
    return;
  }
  std::vector<const std::byte*> slots;
  for (int rank = 0; rank < meeting.ranks(); ++rank) slots.push_back(meeting.slot(rank));
  if (call.func == ncclFuncAllGather) {
    for (std::size_t rank = 0; rank < slots.size(); ++rank) {
      std::memcpy(call.recv + rank * part.block_bytes + part.offset, slots[rank], part.nbytes);
    }
    return;
  }
  if (call.func == ncclFuncReduceScatter) {
    for (const std::byte*& slot : slots) {
      slot += static_cast<std::size_t>(meeting.rank()) * part.nbytes;
    }
  }
  reduce(slots, call.recv + part.offset, part.nbytes / element_bytes(call.type), call.type,
         call.op);
}

}  // namespace

Extent extent_of(const Call& call, int ranks) {
  const std::size_t block = call.count * element_bytes(call.type);
  const std::size_t all = block * static_cast<std::size_t>(ranks);
  switch (call.func) {
    case ncclFuncAllGather: return {block, all, all};
    case ncclFuncReduceScatter: return {all, block, all};
    default: return {block, block, block};
  }
}

bool receives(const Call& call, int rank) {
  return call.func != ncclFuncReduce || rank == call.root;
}

void exchange(Meeting& meeting, const Call& call, const Decision& decision) {
  const std::uint64_t stamp = stamp_of(call, decision);
  const std::size_t block_bytes = call.count * element_bytes(call.type);
  // Whole elements of every type.
  const std::size_t blocks =
      call.func == ncclFuncReduceScatter ? static_cast<std::size_t>(meeting.ranks()) : 1;
  const std::size_t part_bytes = Meeting::kSlotBytes / blocks / 64 * 64;
  for (std::size_t offset = 0; offset < block_bytes; offset += part_bytes) {
    const Part part{block_bytes, offset, std::min(part_bytes, block_bytes - offset)};
    meeting.take_turn();
    meeting.stamp(meeting.rank()) = stamp;
    put(meeting, call, part);
    meeting.barrier();
    check_stamps(meeting, stamp);
    take(meeting, call, part);
  }
}

void exchange(Meeting& meeting, const Exchange& parts) {
  constexpr std::uint64_t kPointToPoint = 0x7032'7000;
  meeting.take_turn();
  meeting.stamp(meeting.rank()) = mix(parts.send_bytes, kPointToPoint);
  std::memcpy(meeting.slot(meeting.rank()), parts.send, parts.send_bytes);
  meeting.barrier();
  check_stamps(meeting, mix(parts.recv_bytes, kPointToPoint));
  std::memcpy(parts.recv, meeting.slot(parts.from), parts.recv_bytes);
}

}  // namespace vernier::fake_machine
