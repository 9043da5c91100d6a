// SPDX-License-Identifier: Apache-2.0
#include "tests/profiler/profiler_host.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

namespace vernier::profiler_test {
namespace {

std::uint8_t number_of(const char* name, std::initializer_list<const char*> names) {
  std::uint8_t number = 0;
  for (const char* const one : names) {
    if (std::strcmp(one, name) == 0) return number;
    ++number;
  }
  throw std::invalid_argument(name);
}

template <int kAbi, typename Plugin, typename Descr>
class HostOf : public ProfilerHost {
 public:
  HostOf(void* library, const Plugin& plugin) : ProfilerHost(library), plugin_(plugin) {}

  void* init(std::uint64_t comm_id, const char* name, int nodes, int ranks, int rank,
             ncclDebugLogger_t logger) override {
    comm_id_ = comm_id;
    rank_ = rank;
    void* context = rubbish();
    ncclResult_t result = ncclSuccess;
    if constexpr (kAbi < 4) {
      result = plugin_.init(&context, &mask_);
    } else if constexpr (kAbi == 4) {
      result = plugin_.init(&context, &mask_, name, comm_id, nodes, ranks, rank, logger);
    } else {
      result = plugin_.init(&context, comm_id, &mask_, name, nodes, ranks, rank, logger);
    }
    if (result != ncclSuccess) throw std::runtime_error("init failed");
    return context;
  }

  void finalize(void* context) override {
    // NCCL 2.28 is the first that does not finalize what has no context.
    if (context != nullptr || kAbi < 5) plugin_.finalize(context);
  }

  HostGraphNode collective(void* context, const HostCall& call, const HostKernel& kernel) override {
    void* const group = start_group(context);
    HostGraphNode node{call, kernel, start_api(context, call)};
    stop(node.parent);
    if (kernel_before_launch) start_kernel(context, node);
    if (nested_groups) stop(group);
    launch(context, group);
    if (!kernel_before_launch) start_kernel(context, node);
    if (!nested_groups) stop(group);
    return node;
  }

  void group(void* context, const std::vector<HostCall>& calls, const HostKernel& kernel) override {
    void* const group = start_group(context);
    std::vector<HostGraphNode> nodes;
    for (const HostCall& call : calls) {
      nodes.push_back({call, kernel, start_api(context, call)});
      stop(nodes.back().parent);
    }
    for (int i = 0; i < launches; ++i) launch(context, group);
    for (const HostGraphNode& node : nodes) start_kernel(context, node);
    stop(group);
  }

  HostGraphNode capture_over_network(void* context, const HostCall& call,
                                     const HostKernel& kernel) override {
    void* const group = start_group(context);
    HostGraphNode node{call, kernel, start_api(context, call)};
    stop(node.parent);
    launch(context, group);
    stop(group);
    return node;
  }

  void replay(void* context, const HostGraphNode& node) override { start_kernel(context, node); }

  void call_without_kernel(void* context, const HostCall& call) override {
    void* const group = start_group(context);
    stop(start_api(context, call));
    stop(group);
  }

  void launch_without_kernel(void* context, const HostCall& call) override {
    void* const group = start_group(context);
    stop(start_api(context, call));
    launch(context, group);
    stop(group);
  }

  void copy_engine(void* context, const HostCall& call) override {
    if constexpr (kAbi >= 6) {
      void* const group = start_group(context);
      void* const api = start_api(context, call);
      stop(api);
      Descr event = descriptor(ncclProfileCeColl, api);
      event.ceColl.func = call.function;
      event.ceColl.count = call.count;
      event.ceColl.datatype = call.data_type;
      stop(start(context, event));
      stop(group);
    }
  }

  void point_to_point(void* context, const HostCall& call, std::uint8_t channels) override {
    void* const group = start_group(context);
    void* api = nullptr;
    if constexpr (kAbi >= 5) {
      Descr event = descriptor(ncclProfileP2pApi, group);
      event.p2pApi.func = call.function;
      event.p2pApi.count = call.count;
      event.p2pApi.datatype = call.data_type;
      event.p2pApi.graphCaptured = call.captured ? 1 : 0;
      api = start(context, event);
      stop(api);
    }
    if ((std::atomic_ref(mask_).load() & ncclProfileP2p) != 0) start_group_of_kernels(context);
    Descr event = descriptor(ncclProfileP2p, api);
    name_what(event.p2p, call);
    if constexpr (kAbi >= 4) event.p2p.nChannels = channels;
    stop(start(context, event));
    stop(group);
  }

  void unknown_event(void* context) override {
    stop(start(context, descriptor(static_cast<decltype(Descr::type)>(128), nullptr)));
  }

 private:
  static void* rubbish() { return reinterpret_cast<void*>(0xdeadbeef); }

  Descr descriptor(decltype(Descr::type) type, void* parent) const {
    Descr event;
    std::memset(&event, 0x5a, sizeof(event));  // padding and other members hold anything
    event.type = type;
    event.parentObj = parent;
    event.rank = rank_;
    return event;
  }

  // Events whose bit is not set do not come, and their children have no parent then.
  void* start(void* context, Descr event) {
    if ((std::atomic_ref(mask_).load() & static_cast<int>(event.type)) == 0) return nullptr;
    void* handle = rubbish();
    plugin_.startEvent(context, &handle, &event);
    if (handle == rubbish()) {
      std::atomic_ref(unwritten_)++;
      handle = nullptr;
    }
    return handle;
  }

  void stop(void* handle) {
    if (handle != nullptr) plugin_.stopEvent(handle);
  }

  void* start_group(void* context) {
    if constexpr (kAbi >= 5) return start(context, descriptor(ncclProfileGroupApi, nullptr));
    return nullptr;
  }

  void launch(void* context, void* group) {
    void* handle = nullptr;
    if constexpr (kAbi >= 5) {
      Descr event = descriptor(ncclProfileKernelLaunch, group);
      event.kernelLaunch.stream = stream;
      handle = start(context, event);
    }
    on_launch();
    stop(handle);
  }

  void* start_api(void* context, const HostCall& call) {
    if constexpr (kAbi >= 5) {
      Descr event = descriptor(ncclProfileCollApi, nullptr);
      event.collApi.func = call.function;
      event.collApi.count = call.count;
      event.collApi.datatype = call.data_type;
      event.collApi.graphCaptured = call.captured ? 1 : 0;
      return start(context, event);
    }
    return nullptr;
  }

  template <typename Event>
  void name_what(Event& event, const HostCall& call) const {
    // AllGather and Broadcast arrive as bytes.
    const bool in_bytes = std::strcmp(call.function, "AllGather") == 0;
    event.count = in_bytes ? 2 * call.count : call.count;
    const char* const type = in_bytes ? "ncclInt8" : call.data_type;
    if constexpr (kAbi == 1) {
      event.func = number_of(call.function, {"Broadcast", "Reduce", "AllGather", "ReduceScatter",
                                             "AllReduce", "SendRecv", "Send", "Recv"});
      event.datatype = number_of(
          type, {"ncclInt8", "ncclUint8", "ncclInt32", "ncclUint32", "ncclInt64", "ncclUint64",
                 "ncclFloat16", "ncclFloat32", "ncclFloat64", "ncclBfloat16"});
    } else {
      event.func = call.function;
      event.datatype = type;
    }
    if constexpr (kAbi < 4) {
      event.name = nullptr;
      event.commHash = comm_id_;
    }
  }

  // NCCL starts a Group whenever it is asked for its children, with nothing in it but its type.
  void start_group_of_kernels(void* context) {
    Descr event;
    std::memset(&event, 0, sizeof(event));
    event.type = ncclProfileGroup;
    void* handle = rubbish();
    plugin_.startEvent(context, &handle, &event);
    if (handle == rubbish()) std::atomic_ref(unwritten_)++;
  }

  void start_kernel(void* context, const HostGraphNode& node) {
    if ((std::atomic_ref(mask_).load() & ncclProfileColl) != 0) start_group_of_kernels(context);
    Descr event = descriptor(ncclProfileColl, node.parent);
    name_what(event.coll, node.call);
    if constexpr (kAbi == 1) {
      event.coll.algo = number_of(node.kernel.algorithm, {"TREE", "RING"});
      event.coll.proto = number_of(node.kernel.protocol, {"LL", "LL128", "SIMPLE"});
    } else {
      event.coll.algo = node.kernel.algorithm;
      event.coll.proto = node.kernel.protocol;
    }
    if constexpr (kAbi < 4) {
      event.coll.nMaxChannels = node.kernel.channels;
    } else {
      event.coll.nChannels = node.kernel.channels;
    }
    void* const kernel = start(context, event);
    stop(kernel);  // enqueued, not ended
    tell_of_channels(context, kernel);
  }

  // Started once the CPU has noticed, so all starts may come before the first stop.
  void tell_of_channels(void* context, void* kernel) {
    if constexpr (kAbi >= 4) {
      std::vector<void*> handles;
      for (std::size_t i = 0; i < channel_times.size(); ++i) {
        Descr event = descriptor(ncclProfileKernelCh, kernel);
        event.kernelCh.channelId = static_cast<std::uint8_t>(i);
        event.kernelCh.pTimer = channel_times[i].first;
        handles.push_back(start(context, event));
      }
      for (std::size_t i = 0; i < channel_times.size(); ++i) {
        if (handles[i] == nullptr) continue;
        ncclProfilerKernelChStateArgs_v4_t arguments{channel_times[i].second};
        plugin_.recordEventState(handles[i], ncclProfilerKernelChStop, &arguments);
        stop(handles[i]);
      }
    }
  }

  const Plugin& plugin_;
  std::uint64_t comm_id_ = 0;
  int rank_ = 0;
};

template <int kAbi, typename Plugin, typename Descr>
std::unique_ptr<ProfilerHost> make(void* library, const char* symbol) {
  const void* const found = dlsym(library, symbol);
  if (found == nullptr) throw std::runtime_error(std::string(symbol) + " is not there");
  return std::make_unique<HostOf<kAbi, Plugin, Descr>>(library, *static_cast<const Plugin*>(found));
}

}  // namespace

void ProfilerHost::close() { dlclose(library_); }

std::unique_ptr<ProfilerHost> ProfilerHost::open(int abi, const char* file) {
  void* const library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  switch (abi) {
    case 1:
      return make<1, ncclProfiler_v1_t, ncclProfilerEventDescr_v1_t>(library, "ncclProfiler_v1");
    case 2:
      return make<2, ncclProfiler_v2_t, ncclProfilerEventDescr_v2_t>(library, "ncclProfiler_v2");
    case 3:
      return make<3, ncclProfiler_v3_t, ncclProfilerEventDescr_v3_t>(library, "ncclProfiler_v3");
    case 4:
      return make<4, ncclProfiler_v4_t, ncclProfilerEventDescr_v4_t>(library, "ncclProfiler_v4");
    case 5:
      return make<5, ncclProfiler_v5_t, ncclProfilerEventDescr_v5_t>(library, "ncclProfiler_v5");
    default:
      return make<6, ncclProfiler_v6_t, ncclProfilerEventDescr_v6_t>(library, "ncclProfiler_v6");
  }
}

}  // namespace vernier::profiler_test
