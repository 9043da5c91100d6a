// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/windows.hpp"

#include <fmt/format.h>

#include "tools/common/output.hpp"

namespace vernier::calibrate {
namespace {

using State = Windows::State;

State state_of(const NcclLibrary& nccl, ncclResult_t result, const char* what) {
  if (result == ncclSuccess) return State::open;
  print_talk(fmt::format("{} failed: {}", what, nccl.get_error_string(result)));
  return State::failed;
}

}  // namespace

State open_windows(const NcclLibrary& nccl, NcclComm communicator, std::size_t nbytes,
                   const Agree& agree, Windows& windows) {
  const auto agreed = [&](State own) {
    return static_cast<State>(static_cast<int>(agree(static_cast<float>(own))));
  };
  // Registering waits for every rank: none begins while another cannot.
  State own = State::not_in_this_nccl;
  if (nccl.mem_alloc != nullptr && nccl.comm_window_register != nullptr) own = State::open;
  for (void** const buffer : {&windows.send, &windows.recv}) {
    if (own == State::open) own = state_of(nccl, nccl.mem_alloc(buffer, nbytes), "ncclMemAlloc");
  }
  for (void* const buffer : {windows.send, windows.recv}) {
    if (const State all = agreed(own); all != State::open) return all;
    NcclWindow window = nullptr;
    own = state_of(
        nccl,
        nccl.comm_window_register(communicator, buffer, nbytes, &window, kNcclWindowSymmetric),
        "ncclCommWindowRegister");
    if (own == State::open && window == nullptr) own = State::no_symmetric_memory;
  }
  return agreed(own);
}

}  // namespace vernier::calibrate
