// SPDX-License-Identifier: Apache-2.0
//
// What the fake NCCL asks of the fake driver: the private side of libcuda.so.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tests/fake_machine/cuda/api.hpp"

namespace vernier::fake_machine {

// One execution of a piece of work.
struct Run {
  std::uint64_t graph;   // number of the instantiated graph; 0: eager
  std::uint64_t replay;  // launch of that graph
  bool superseded;       // the same work follows at once, so only its time has to pass
};

class FAKE_MACHINE_EXPORT Work {
 public:
  virtual ~Work() = default;
  virtual void run(const Run& run) = 0;
  // Whether `next`, directly behind this, makes its results unobservable.
  [[nodiscard]] virtual bool is_repeated_by(const Work& next) const = 0;
};

}  // namespace vernier::fake_machine

// Runs `work` now, or records it where the stream is being captured. A CUresult.
FAKE_MACHINE_EXPORT int fake_cuda_enqueue(vernier::fake_machine::Stream* stream,
                                          std::shared_ptr<vernier::fake_machine::Work> work);

extern "C" {
FAKE_MACHINE_EXPORT bool fake_cuda_is_capturing(const vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT void fake_cuda_advance(double ns);               // this process's clock
FAKE_MACHINE_EXPORT void fake_cuda_take_memory(std::size_t nbytes);  // as if allocated
FAKE_MACHINE_EXPORT void fake_cuda_give_memory(std::size_t nbytes);
FAKE_MACHINE_EXPORT bool fake_cuda_owns(const void* pointer, std::size_t nbytes);
FAKE_MACHINE_EXPORT int fake_cuda_current_device();  // -1: the thread has no context
}
