// SPDX-License-Identifier: Apache-2.0
//
// What NCCL does to a profiler plugin, for every ABI version: it finds the symbol, hands over the
// mask and the communicator, and emits events from the threads and in the order that it has
// (nccl-plugin-facts, section 4; NCCL 2.23 to 2.30). Each handle holds rubbish before the plugin
// writes it, as NCCL's may.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vernier/abi/nccl_profiler.h"

namespace vernier::profiler_test {

struct HostCall {
  const char* function = "AllReduce";
  std::uint64_t count = 0;
  const char* data_type = "ncclBfloat16";
  bool captured = false;
};

struct HostKernel {
  const char* algorithm = "RING";
  const char* protocol = "LL";
  std::uint8_t channels = 4;
};

// A call that a graph holds, to be replayed.
struct HostGraphNode {
  HostCall call;
  HostKernel kernel;
  void* parent = nullptr;  // what the plugin gave for the API call
};

class ProfilerHost {
 public:
  virtual ~ProfilerHost() = default;
  // Loads the plugin and takes its symbol `ncclProfiler_v<abi>`.
  [[nodiscard]] static std::unique_ptr<ProfilerHost> open(int abi,
                                                          const char* file = VERNIER_PROFILER_FILE);
  // dlclose, as NCCL does with its last communicator.
  void close();

  // As ncclCommInitRank. The context may be null.
  [[nodiscard]] virtual void* init(std::uint64_t comm_id, const char* name, int nodes, int ranks,
                                   int rank, ncclDebugLogger_t logger = nullptr) = 0;
  virtual void finalize(void* context) = 0;

  // A call as ncclAllReduce and its kind make it, outside a group: API events where the ABI has
  // them, then the kernel. From v5 on a captured call's kernel is told at capture.
  virtual HostGraphNode collective(void* context, const HostCall& call,
                                   const HostKernel& kernel) = 0;
  // As above where proxy work (a network) is needed: of a captured call only the API events come.
  virtual HostGraphNode capture_over_network(void* context, const HostCall& call,
                                             const HostKernel& kernel) = 0;
  // What the host node of a replayed graph does, on the thread that calls this.
  virtual void replay(void* context, const HostGraphNode& node) = 0;
  // Several calls of a group, in one launch; v5 and later.
  virtual void group(void* context, const std::vector<HostCall>& calls,
                     const HostKernel& kernel) = 0;
  // A call that no launch follows (one rank); v5 and later.
  virtual void call_without_kernel(void* context, const HostCall& call) = 0;
  // A call that runs a kernel which is not told (symmetric memory); v5 and later.
  virtual void launch_without_kernel(void* context, const HostCall& call) = 0;
  virtual void copy_engine(void* context, const HostCall& call) = 0;  // v6
  virtual void point_to_point(void* context, const HostCall& call, std::uint8_t channels) = 0;
  // An event type that no release has.
  virtual void unknown_event(void* context) = 0;

  // What a launch does between its two events.
  std::function<void()> on_launch = [] {};
  // Where launches go; null is the default stream.
  void* stream = nullptr;
  // Of each group.
  int launches = 1;
  // Whether a kernel's event comes before that of its launch. NCCL 2.28.9 tells of it after
  // (measured); other releases may not.
  bool kernel_before_launch = false;
  // Calls in a group within a group, as torch makes its sends and receives: the launch comes after
  // the end of GroupApi (measured, NCCL 2.28.9).
  bool nested_groups = false;

  // What each channel of a kernel writes: its start and its stop, ns of the GPU. From v4 on, and
  // where the plugin asks for KernelCh, NCCL's proxy thread tells of them once the kernel has
  // ended.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> channel_times;

  void set_mask(int mask) { mask_ = mask; }
  [[nodiscard]] int mask() const { return mask_; }
  // Handles that the plugin did not write.
  [[nodiscard]] int unwritten_handles() const { return unwritten_; }

 protected:
  explicit ProfilerHost(void* library) : library_(library) {}

  void* library_;
  int mask_ = 0;
  int unwritten_ = 0;
};

}  // namespace vernier::profiler_test
