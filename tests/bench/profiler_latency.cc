// SPDX-License-Identifier: Apache-2.0
//
// What the profiler costs the thread that calls NCCL, for one collective: profiler_latency
// [--quick]. Five calls of the shipped plugin (NCCL 2.28 to 2.30: GroupApi and CollApi start and
// stop, Coll start), beside a recorder that does the same with a mutex, a map and an allocation for
// each event.
// `--count N`: N collectives of the plugin alone, for count_profiler_instructions.
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vernier/abi/nccl_profiler.h"

namespace vernier::bench {
namespace {

using Event = ncclProfilerEventDescr_v5_t;

double now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

Event event_of(std::uint64_t type) {
  Event event{};
  event.type = type;
  return event;
}

// The calls of NCCL, whoever answers them.
template <typename Recorder>
class Collectives {
 public:
  explicit Collectives(Recorder recorder) : recorder_(recorder) {
    api_.collApi.func = "AllReduce";
    api_.collApi.datatype = "ncclBfloat16";
    coll_.coll.func = "AllReduce";
    coll_.coll.datatype = "ncclBfloat16";
    coll_.coll.algo = "RING";
    coll_.coll.proto = "LL";
    coll_.coll.nChannels = 4;
  }

  // 32 sizes, as a model's layers and batches have.
  void run(std::size_t i) {
    api_.collApi.count = 1024 + i % 32 * 512;
    void* group = nullptr;
    void* call = nullptr;
    void* kernel = nullptr;
    recorder_.start(&group, &group_);
    recorder_.start(&call, &api_);
    recorder_.stop(call);
    coll_.parentObj = call;
    recorder_.start(&kernel, &coll_);
    if (kernel != nullptr) recorder_.stop(kernel);
    recorder_.stop(group);
  }

 private:
  Recorder recorder_;
  Event group_ = event_of(ncclProfileGroupApi);
  Event api_ = event_of(ncclProfileCollApi);
  Event coll_ = event_of(ncclProfileColl);
};

struct Plugin {
  const ncclProfiler_v5_t* plugin;
  void* context;
  void start(void** handle, Event* event) { plugin->startEvent(context, handle, event); }
  void stop(void* handle) { plugin->stopEvent(handle); }
};

// NCCL's calls into nowhere: what remains when the recorder's work is taken away.
struct Nobody {
  static ncclResult_t start_nothing(void*, void** handle, Event*) {
    *handle = nullptr;
    return ncclSuccess;
  }
  ncclResult_t (*volatile function)(void*, void**, Event*) = start_nothing;
  void start(void** handle, Event* event) { function(nullptr, handle, event); }
  void stop(void* handle) { function(nullptr, &handle, nullptr); }
};

// What a recorder easily becomes: an event is allocated, its call is looked up by text under a
// lock.
struct Plain {
  struct State {
    std::mutex mutex;
    std::map<std::string, std::uint64_t> counts;
  };
  State* state;
  void start(void** handle, Event* event) {
    auto copy = std::make_unique<Event>(*event);
    const std::lock_guard lock(state->mutex);
    if (event->type == ncclProfileCollApi) {
      ++state->counts[std::string(event->collApi.func) + std::to_string(event->collApi.count)];
    } else if (event->type == ncclProfileColl) {
      ++state->counts[std::string(event->coll.algo) + event->coll.proto];
    }
    *handle = copy.release();
  }
  void stop(void* handle) {
    const std::lock_guard lock(state->mutex);
    delete static_cast<Event*>(handle);
  }
};

template <typename Recorder>
double time_ns(Recorder recorder, std::size_t calls, int rounds) {
  Collectives collectives(recorder);
  double best_ns = 1e18;
  for (int round = 0; round < rounds; ++round) {
    const double start_ns = now_ns();
    for (std::size_t i = 0; i < calls; ++i) collectives.run(i);
    best_ns = std::min(best_ns, (now_ns() - start_ns) / static_cast<double>(calls));
  }
  return best_ns;
}

Plugin load_plugin() {
  void* const library = dlopen(VERNIER_PROFILER_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(1);
  }
  Plugin plugin{static_cast<const ncclProfiler_v5_t*>(dlsym(library, "ncclProfiler_v5")), nullptr};
  int mask = 0;
  plugin.plugin->init(&plugin.context, 1, &mask, "bench", 1, 2, 0, nullptr);
  if (plugin.context == nullptr) std::exit(1);
  return plugin;
}

int run(int argc, char** argv) {
  std::string directory = "/tmp/vernier-bench.XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return 1;
  setenv("NCCL_VERNIER_LOG_DIR", directory.c_str(), 1);
  const Plugin plugin = load_plugin();
  if (argc == 3 && std::strcmp(argv[1], "--count") == 0) {
    Collectives collectives(plugin);
    const auto calls = static_cast<std::size_t>(std::atoll(argv[2]));
    for (std::size_t i = 0; i < calls; ++i) collectives.run(i);
  } else {
    const bool quick = argc > 1;
    const std::size_t calls = quick ? 1'000 : 200'000;
    const int rounds = quick ? 1 : 15;
    Plain::State state;
    const double nobody_ns = time_ns(Nobody{}, calls, rounds);
    std::printf("one collective (five events), ns, less %.1f ns of calling; best of %d rounds\n",
                nobody_ns, rounds);
    std::printf("  vernier                  %7.1f\n", time_ns(plugin, calls, rounds) - nobody_ns);
    std::printf("  mutex, map, allocation   %7.1f\n",
                time_ns(Plain{&state}, calls, rounds) - nobody_ns);
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace vernier::bench

int main(int argc, char** argv) { return vernier::bench::run(argc, argv); }
