// SPDX-License-Identifier: Apache-2.0
//
// The six symbols NCCL looks for (2.23 to 2.32), newest first; each is a few lines around Recorder.
// Every function returns ncclSuccess whatever happens: a profiler whose init fails is switched off
// for the process by NCCL up to 2.27, and called with a NULL context from 2.28 on.
#include <fmt/format.h>

#include <atomic>
#include <string>

#include "plugin/common/c_edge.hpp"
#include "plugin/common/log_directory.hpp"
#include "plugin/common/nccl_library.hpp"
#include "plugin/common/nccl_log.hpp"
#include "plugin/common/settings.hpp"
#include "plugin/common/unknown_variables.hpp"
#include "plugin/profiler/profile_writer.hpp"
#include "plugin/profiler/recorder.hpp"
#include "vernier/abi/nccl_profiler.h"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr int kKernelEvents = ncclProfileColl | ncclProfileP2p;
constexpr int kApiEvents = ncclProfileGroupApi | ncclProfileCollApi | ncclProfileP2pApi;

// The handle of a GroupApi event; those of calls point to a Call, those of kernels are null.
char group_handle;

constexpr int activation_mask(int profiler_abi) {
  if (profiler_abi < 5) return kKernelEvents;
  return kKernelEvents | kApiEvents | (profiler_abi < 6 ? 0 : ncclProfileCeColl);
}

void warn_about_mode(const NcclLog& log) {
  const std::string mode = get_env("NCCL_VERNIER_PROFILE").value_or("");
  if (mode.empty() || mode == "counts") return;
  log.warn_once("mode", fmt::format("NCCL_VERNIER_PROFILE is {}; this version has counts, which is "
                                    "used",
                                    in_quotes(mode)));
}

// The context of a new communicator, or null: then nothing of it is recorded.
ProfiledCommunicator* start(int profiler_abi, CommunicatorDescription description,
                            ncclDebugLogger_t logger) {
  const NcclLog log(logger, "Profiler");
  warn_about_unknown_variables(log);
  const auto directory = log_directory();
  if (!directory) {
    log.warn_once("directory", "NCCL_VERNIER_LOG_DIR is not set: nothing is recorded");
    return nullptr;
  }
  warn_about_mode(log);
  const auto version = find_nccl_version(logger);
  const auto problem = ProfileWriter::instance().start(
      *directory, version ? format_nccl_version(*version) : "", profiler_abi);
  if (problem) {
    log.warn_once("file", "nothing is recorded: " + *problem);
    return nullptr;
  }
  if (const auto failed = ProfileWriter::instance().write()) {
    log.warn_once("write", *failed + "; counting goes on, and writing is tried every second");
  }
  return &Recorder::instance().add(std::move(description));
}

ncclResult_t init(int profiler_abi, void** context, int* mask, CommunicatorDescription description,
                  ncclDebugLogger_t logger) noexcept {
  *context = nullptr;
  guard([&] {
    *context = start(profiler_abi, std::move(description), logger);
    if (*context == nullptr) return;
    // One int for all communicators of the process, which NCCL reads at any time.
    std::atomic_ref(*mask).fetch_or(activation_mask(profiler_abi), std::memory_order_relaxed);
  });
  return ncclSuccess;
}

template <int kAbi>
ncclResult_t init_before_v4(void** context, int* mask) noexcept {
  return init(kAbi, context, mask, {}, nullptr);
}

CommunicatorDescription describe(std::uint64_t comm_id, const char* name, int nodes, int ranks,
                                 int rank) {
  return {comm_id, name == nullptr ? "" : name, nodes, ranks, rank};
}

ncclResult_t init_v4(void** context, int* mask, const char* name, std::uint64_t comm_id, int nodes,
                     int ranks, int rank, ncclDebugLogger_t logger) noexcept {
  *context = nullptr;
  guard([&] { init(4, context, mask, describe(comm_id, name, nodes, ranks, rank), logger); });
  return ncclSuccess;
}

template <int kAbi>
ncclResult_t init_from_v5(void** context, std::uint64_t comm_id, int* mask, const char* name,
                          int nodes, int ranks, int rank, ncclDebugLogger_t logger) noexcept {
  *context = nullptr;
  guard([&] { init(kAbi, context, mask, describe(comm_id, name, nodes, ranks, rank), logger); });
  return ncclSuccess;
}

// The members that tell what is run, whatever the version calls them.
template <typename Event>
OperationFacts facts_of(const Event& event) noexcept {
  return {find_operation(event.func), find_data_type(event.datatype), event.count};
}

template <typename Coll>
KernelFacts kernel_of(const Coll& coll) noexcept {
  std::uint8_t channels = 0;
  if constexpr (requires { coll.nChannels; }) {
    channels = coll.nChannels;
  } else {
    channels = coll.nMaxChannels;
  }
  return {facts_of(coll), find_algorithm(coll.algo), find_protocol(coll.proto), channels};
}

template <typename P2p>
KernelFacts kernel_of_p2p(const P2p& p2p) noexcept {
  KernelFacts facts{facts_of(p2p), kNoAlgorithm, kNoProtocol, 0};
  if constexpr (requires { p2p.nChannels; }) facts.channels = p2p.nChannels;
  return facts;
}

// HOT PATH. The handle that NCCL keeps for an event.
template <typename Descr>
void* start_event(ProfiledCommunicator& communicator, const Descr& event) noexcept {
  Recorder& recorder = Recorder::instance();
  constexpr bool kHasApiEvents = requires { event.collApi; };
  // Without Api events the parent is a Group, which we do not track.
  const auto* const parent = kHasApiEvents ? static_cast<const Call*>(event.parentObj) : nullptr;
  if constexpr (kHasApiEvents) {
    // NCCL's handle is opaque to it: what count_call gave comes back as the parent of kernels.
    const auto count = [&](const auto& api) -> void* {
      return const_cast<Call*>(
          recorder.count_call(communicator, facts_of(api), api.graphCaptured != 0));
    };
    switch (event.type) {
      case ncclProfileGroupApi: recorder.enter_group(); return &group_handle;
      case ncclProfileCollApi: return count(event.collApi);
      case ncclProfileP2pApi: return count(event.p2pApi);
      default: break;
    }
  } else if constexpr (requires { event.coll.commHash; }) {
    if (communicator.seen_rank.load(std::memory_order_relaxed) < 0) {
      const bool coll = event.type == ncclProfileColl;
      communicator.seen_comm_id = coll ? event.coll.commHash : event.p2p.commHash;
      communicator.seen_rank = event.rank;
    }
  }
  if constexpr (requires { event.ceColl; }) {
    if (event.type == ncclProfileCeColl) {
      recorder.count_kernel(communicator, parent,
                            {facts_of(event.ceColl), kCopyEngine, kNoProtocol, 0});
      return nullptr;
    }
  }
  if (event.type == ncclProfileColl) {
    recorder.count_kernel(communicator, parent, kernel_of(event.coll));
  } else if (event.type == ncclProfileP2p) {
    recorder.count_kernel(communicator, parent, kernel_of_p2p(event.p2p));
  }
  return nullptr;
}

// HOT PATH. The handle is written always: NCCL would pass on what it finds there.
template <typename Descr>
ncclResult_t start_event(void* context, void** handle, Descr* event) noexcept {
  *handle = context == nullptr ? nullptr
                               : start_event(*static_cast<ProfiledCommunicator*>(context), *event);
  return ncclSuccess;
}

// HOT PATH.
ncclResult_t stop_event(void* handle) noexcept {
  if (handle == &group_handle) Recorder::instance().leave_group();
  return ncclSuccess;
}

ncclResult_t record_event_state(void*, int, void*) noexcept { return ncclSuccess; }

// May never come: files are written every second.
ncclResult_t finalize(void*) noexcept {
  guard([] { ProfileWriter::instance().write(); });
  return ncclSuccess;
}

}  // namespace
}  // namespace vernier

// `extern "C" const T x = ...` on one line each: inside a block, a C++ const would be internal.
#define VERNIER_EXPORT extern "C" __attribute__((visibility("default")))
#define VERNIER_PROFILER(version, init)                                        \
  VERNIER_EXPORT const ncclProfiler_v##version##_t ncclProfiler_v##version = { \
      "vernier",                                                               \
      vernier::init,                                                           \
      vernier::start_event,                                                    \
      vernier::stop_event,                                                     \
      vernier::record_event_state,                                             \
      vernier::finalize};

VERNIER_PROFILER(1, init_before_v4<1>)
VERNIER_PROFILER(2, init_before_v4<2>)
VERNIER_PROFILER(3, init_before_v4<3>)
VERNIER_PROFILER(4, init_v4)
VERNIER_PROFILER(5, init_from_v5<5>)
VERNIER_PROFILER(6, init_from_v5<6>)
