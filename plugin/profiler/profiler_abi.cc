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
#include "plugin/profiler/cuda_driver.hpp"
#include "plugin/profiler/kernel_timer.hpp"
#include "plugin/profiler/profile_writer.hpp"
#include "plugin/profiler/recorder.hpp"
#include "plugin/profiler/sampler.hpp"
#include "vernier/abi/nccl_profiler.h"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr int kKernelEvents = ncclProfileColl | ncclProfileP2p;
constexpr int kApiEvents = ncclProfileGroupApi | ncclProfileCollApi | ncclProfileP2pApi;

// The handle of a GroupApi event. Those of calls point to a Call, those of launches to a
// TimedLaunch; those of kernels and their channels are KernelTimer's, or null.
char group_handle;

constexpr int activation_mask(int profiler_abi) {
  if (profiler_abi < 5) return kKernelEvents;
  return kKernelEvents | kApiEvents | (profiler_abi < 6 ? 0 : ncclProfileCeColl);
}

ProfileMode profile_mode(const NcclLog& log) {
  const std::string text = get_env("NCCL_VERNIER_PROFILE").value_or("");
  if (text.empty()) return {};
  const auto mode = parse_profile_mode(text);
  if (!mode) {
    log.warn_once("mode",
                  fmt::format("NCCL_VERNIER_PROFILE is {}; allowed: counts, sampled, "
                              "sampled:N with N from 1 to {}, full, full:raw; counts is used",
                              in_quotes(text), kMaxSampleEvery));
  }
  return mode.value_or(ProfileMode{});
}

std::uint64_t max_log_bytes(const NcclLog& log) {
  const std::string text = get_env("NCCL_VERNIER_LOG_MAX_MB").value_or("");
  const auto mb = parse_log_mb(text);
  if (!mb && !text.empty()) {
    log.warn_once("size", fmt::format("NCCL_VERNIER_LOG_MAX_MB is {}; allowed: 1 to {}; {} is used",
                                      in_quotes(text), kMaxLogMb, kDefaultLogMb));
  }
  return static_cast<std::uint64_t>(mb.value_or(kDefaultLogMb)) << 20;
}

// Event types of timing, where that can be had; else one warning, and calls are counted only.
int start_timing(int profiler_abi, const ProfileMode& mode, const NcclLog& log) {
  std::optional<std::string> problem;
  if (mode.full) {
    if (profiler_abi >= 4) {
      KernelTimer::instance().enable();
      log.warn_once(
          "cost",
          "NCCL_VERNIER_PROFILE=full times every kernel, at the cost of microseconds each, in "
          "graphs too; sampled costs less");
      return ncclProfileKernelCh;
    }
    problem = "NCCL tells times of kernels from 2.27 on";
  } else if (mode.sample_every != 0) {
    if (profiler_abi >= 5) {
      problem = Sampler::instance().start(mode.sample_every);
      if (!problem) return ncclProfileKernelLaunch;
    } else {
      problem = "NCCL tells of launches from 2.28 on";
    }
  }
  if (problem) log.warn_once("timing", "calls are counted, not timed: " + *problem);
  return 0;
}

// The context of a new communicator, or null: then nothing of it is recorded. Adds to `mask` what
// NCCL is asked for.
ProfiledCommunicator* start(int profiler_abi, CommunicatorDescription description,
                            ncclDebugLogger_t logger, int& mask) {
  const NcclLog log(logger, "Profiler");
  warn_about_unknown_variables(log);
  const auto directory = log_directory();
  if (!directory) {
    log.warn_once("directory", "NCCL_VERNIER_LOG_DIR is not set: nothing is recorded");
    return nullptr;
  }
  const ProfileMode mode = profile_mode(log);
  if (mode.raw) ProfileWriter::instance().keep_raw(max_log_bytes(log));
  const auto version = find_nccl_version(logger);
  const auto problem = ProfileWriter::instance().start(
      *directory, version ? format_nccl_version(*version) : "", profiler_abi);
  if (problem) {
    log.warn_once("file", "nothing is recorded: " + *problem);
    return nullptr;
  }
  if (const auto failed = ProfileWriter::instance().problem()) {
    log.warn_once("write", *failed + "; counting goes on, and writing is tried every second");
  }
  (void)cuda_driver();  // found here, and not in a capture
  mask |= activation_mask(profiler_abi) | start_timing(profiler_abi, mode, log);
  return &Recorder::instance().add(std::move(description));
}

ncclResult_t init(int profiler_abi, void** context, int* mask, CommunicatorDescription description,
                  ncclDebugLogger_t logger) noexcept {
  *context = nullptr;
  guard([&] {
    int wanted = 0;
    *context = start(profiler_abi, std::move(description), logger, wanted);
    // One int for all communicators of the process, which NCCL reads at any time.
    std::atomic_ref(*mask).fetch_or(wanted, std::memory_order_relaxed);
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

// Of NCCL 2.23 to 2.26, which tells of a communicator with each of its kernels.
template <typename Kernel>
void note_communicator(ProfiledCommunicator& communicator, const Kernel& kernel,
                       int rank) noexcept {
  if constexpr (requires { kernel.commHash; }) {
    if (communicator.seen_rank.load(std::memory_order_relaxed) >= 0) return;
    communicator.seen_comm_id.store(kernel.commHash, std::memory_order_relaxed);
    communicator.seen_rank.store(rank, std::memory_order_relaxed);
  }
}

// HOT PATH. A call of the API, where this version tells of them. What count_call gives is opaque to
// NCCL, and comes back as the parent of kernels.
template <typename Api>
void* count_api(ProfiledCommunicator& communicator, const Api& api) noexcept {
  return const_cast<Call*>(Recorder::instance().count_call(communicator, facts_of(api), api.stream,
                                                           api.graphCaptured != 0));
}

// HOT PATH. The handle is for the events of the kernel's channels.
void* count_kernel(const ProfiledCommunicator& communicator, const Call* parent,
                   const KernelFacts& facts) noexcept {
  const Call* const kernel = Recorder::instance().count_kernel(communicator, parent, facts);
  return KernelTimer::instance().begin(kernel, facts.channels);
}

// HOT PATH. The handle that NCCL keeps for an event. Types that were not asked for come too, as
// parents of those that were.
template <typename Descr>
void* start_event(ProfiledCommunicator& communicator, const Descr& event) noexcept {
  Recorder& recorder = Recorder::instance();
  constexpr bool kHasApiEvents = requires { event.collApi; };
  // Before v5 the parent is a Group, which we do not track.
  const auto* const parent = kHasApiEvents ? static_cast<const Call*>(event.parentObj) : nullptr;
  switch (event.type) {
    case ncclProfileColl:
      note_communicator(communicator, event.coll, event.rank);
      return count_kernel(communicator, parent, kernel_of(event.coll));
    case ncclProfileP2p:
      note_communicator(communicator, event.p2p, event.rank);
      return count_kernel(communicator, parent, kernel_of_p2p(event.p2p));
    default: break;
  }
  if constexpr (kHasApiEvents) {
    switch (event.type) {
      case ncclProfileGroupApi: recorder.begin_group(); return &group_handle;
      case ncclProfileCollApi: return count_api(communicator, event.collApi);
      case ncclProfileP2pApi: return count_api(communicator, event.p2pApi);
      case ncclProfileKernelLaunch: return recorder.begin_launch(event.kernelLaunch.stream);
      default: break;
    }
  }
  if constexpr (requires { event.kernelCh; }) {
    if (event.type == ncclProfileKernelCh && KernelTimer::owns(event.parentObj)) {
      KernelTimer::instance().channel_started(event.parentObj, event.kernelCh.pTimer);
      return event.parentObj;
    }
  }
  if constexpr (requires { event.ceColl; }) {
    if (event.type == ncclProfileCeColl) {
      recorder.count_kernel(communicator, parent,
                            {facts_of(event.ceColl), kCopyEngine, kNoProtocol, 0});
    }
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
  if (Sampler::instance().owns(handle)) {
    Recorder::instance().end_launch(*static_cast<TimedLaunch*>(handle));
  }
  return ncclSuccess;
}

// HOT PATH. States of v1 to v3 have other arguments, but those versions have no handles for them.
ncclResult_t record_event_state(void* handle, int state, void* arguments) noexcept {
  if (state == ncclProfilerKernelChStop && arguments != nullptr && KernelTimer::owns(handle)) {
    KernelTimer::instance().channel_stopped(
        handle, static_cast<const ncclProfilerKernelChStateArgs_v4_t*>(arguments)->pTimer);
  }
  return ncclSuccess;
}

// May never come: files are written every second.
ncclResult_t finalize(void* context) noexcept {
  if (context != nullptr) ProfileWriter::instance().flush();
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
