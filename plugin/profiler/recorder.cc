// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/recorder.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

// Takes one of `limit`; false where all are taken.
bool take(std::atomic<std::uint32_t>& taken, std::uint32_t limit) noexcept {
  std::uint32_t now = taken.load(std::memory_order_relaxed);
  while (now < limit) {
    if (taken.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

// Bytes as a policy counts them, at least: an unknown type has elements of a byte, unknown ranks
// are one.
std::uint64_t bytes_of(const CallKey& key, int ranks) noexcept {
  const std::uint64_t element =
      std::max<std::uint64_t>(kDataTypeBytes[static_cast<std::size_t>(key.data_type)], 1);
  const bool scattered =
      key.operation == Operation::allgather || key.operation == Operation::reducescatter;
  return key.count * element * (scattered ? static_cast<std::uint64_t>(std::max(ranks, 1)) : 1);
}

// Not a function's: asked for with every event, it needs no guard.
constinit ProcessLifetime<Recorder> recorder;

}  // namespace

struct Recorder::Thread {
  CallTable* table = nullptr;
  bool has_none = false;  // all were taken, or the thread is ending
  bool captures = false;  // it has made a captured call
  // Since the last launch. A launch takes all of it; calls that NCCL launches nothing for (one
  // rank, copy engines) so make the next launch one of several calls, which is not timed.
  std::uint32_t calls = 0;
  const Call* call = nullptr;  // the last one
  std::uint32_t position = 0;  // of it, if captured
  // Of the last call; some releases tell of it before its launch, some after.
  const Call* kernel = nullptr;
  // The launch that is timed, until it is published.
  TimedLaunch* launch = nullptr;
  const Call* launched = nullptr;  // the one call that it runs; null: several
  bool has_ended = false;

  // A launch whose kernel is still to come is not published, unless it is to come no more.
  void publish_launch(bool without_kernel) noexcept {
    if (launch == nullptr || !has_ended) return;
    if (launched != nullptr && kernel == nullptr && !without_kernel) return;
    const Call* const ran = kernel != nullptr ? kernel : launched;
    Sampler::instance().publish(*launch, launched != nullptr ? ran : nullptr);
    launch = nullptr;
  }

  void end() noexcept {
    publish_launch(true);
    if (table != nullptr) table->owned.store(false, std::memory_order_release);
    table = nullptr;
    has_none = true;  // a later destructor of the thread may call NCCL
  }
};

Recorder& Recorder::instance() { return *recorder; }

// Without a destructor, which would cost each access.
Recorder::Thread& Recorder::this_thread() noexcept {
  static thread_local constinit Thread thread;
  return thread;
}

// One that another thread left, or a new one.
CallTable* Recorder::claim_table() noexcept {
  for (std::atomic<CallTable*>& place : tables_) {
    CallTable* table = place.load(std::memory_order_acquire);
    if (table == nullptr) {
      void* const pages = mmap(nullptr, sizeof(CallTable), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (pages == MAP_FAILED) return nullptr;
      // Constructing it would touch every page; zeros are what it needs.
      auto* const fresh = static_cast<CallTable*>(pages);
      fresh->owned.store(true, std::memory_order_relaxed);
      if (place.compare_exchange_strong(table, fresh, std::memory_order_acq_rel)) return fresh;
      munmap(pages, sizeof(CallTable));
    }
    bool owned = table->owned.load(std::memory_order_relaxed);
    if (!owned && table->owned.compare_exchange_strong(owned, true, std::memory_order_acquire))
      return table;
  }
  return nullptr;
}

CallTable* Recorder::table_of(Thread& thread) noexcept {
  if (stopped_.load(std::memory_order_relaxed)) return nullptr;
  if (thread.table == nullptr && !thread.has_none) {
    struct AtThreadEnd {
      ~AtThreadEnd() { this_thread().end(); }
    };
    static thread_local const AtThreadEnd at_end;
    thread.table = claim_table();
    thread.has_none = thread.table == nullptr;
  }
  if (thread.table == nullptr) dropped_.fetch_add(1, std::memory_order_relaxed);
  return thread.table;
}

Call* Recorder::count(CallTable& table, CallKey key, int ranks) noexcept {
  Call* call = table.find(key);
  if (call == nullptr && key.parent == nullptr && !take(exact_calls_, kMaxExactCalls)) {
    key.count = size_bucket(bytes_of(key, ranks));
    key.communicator = 0;
    key.data_type = DataType::other;
    key.channels = 0;
    key.bucket = true;
    call = table.find(key);
  }
  if (call == nullptr && take(all_calls_, kMaxCalls)) call = table.insert(key);
  if (call == nullptr) add_one(table.dropped);
  return call;
}

const Call* Recorder::count_call(ProfiledCommunicator& communicator, const OperationFacts& facts,
                                 void* stream, bool captured) noexcept {
  Thread& thread = this_thread();
  CallTable* const mine = table_of(thread);
  if (mine == nullptr) return nullptr;
  Call* const call = count(*mine,
                           {.count = facts.count,
                            .communicator = communicator.index,
                            .operation = facts.operation,
                            .data_type = facts.data_type,
                            .captured = captured},
                           communicator.told.ranks);
  ++thread.calls;
  thread.call = call;
  thread.kernel = nullptr;
  if (captured) {
    thread.captures = true;
    thread.position = communicator.captured_calls.fetch_add(1, std::memory_order_relaxed);
  }
  if (call == nullptr) return nullptr;
  add_one(call->count);
  if (captured) {
    const std::uint64_t graph = capture_id(stream);
    if (graph != 0 && graph != call->last_graph) {
      call->last_graph = graph;
      add_one(call->graphs);
    }
  }
  return call;
}

const Call* Recorder::count_kernel(const ProfiledCommunicator& communicator, const Call* parent,
                                   const KernelFacts& facts) noexcept {
  Thread& thread = this_thread();
  CallTable* const mine = table_of(thread);
  if (mine == nullptr) return nullptr;
  CallKey key{.communicator = communicator.index,
              .operation = facts.operation,
              .algorithm = facts.algorithm,
              .protocol = facts.protocol,
              .channels = facts.channels,
              .kernel = true};
  if (parent == nullptr) {
    key.count = facts.count;
    key.data_type = facts.data_type;
  } else {  // its own count and type tell more: NCCL turns those of a kernel into bytes
    key.parent = parent;
    key.communicator = parent->key.communicator;
    key.captured = parent->key.captured;
    key.bucket = parent->key.bucket;
    if (key.bucket) key.channels = 0;
  }
  Call* const call = count(*mine, key, communicator.told.ranks);
  if (call == nullptr) return nullptr;
  // Replays are told by a thread of CUDA's, which makes no calls.
  const bool replay = key.captured && !thread.captures;
  add_one(replay ? call->replayed : call->count);
  if (replay) return call;
  thread.kernel = call;
  thread.publish_launch(false);
  return call;
}

void Recorder::begin_group() noexcept { this_thread().publish_launch(true); }

TimedLaunch* Recorder::begin_launch(void* stream) noexcept {
  Thread& thread = this_thread();
  thread.publish_launch(true);
  const Call* const call = thread.call;
  const bool one = thread.calls == 1;
  thread.calls = 0;
  thread.call = nullptr;
  // Of a launch by another thread than the calls', and of a group's second, nothing is known.
  if (call == nullptr || thread.launch != nullptr) return nullptr;
  thread.launch = Sampler::instance().begin(stream, call->key.captured, thread.position);
  thread.launched = one ? call : nullptr;
  thread.has_ended = false;
  return thread.launch;
}

void Recorder::end_launch(TimedLaunch& launch) noexcept {
  Sampler::instance().end(launch);
  Thread& thread = this_thread();
  thread.has_ended = true;
  thread.publish_launch(false);
}

ProfiledCommunicator& Recorder::add(CommunicatorDescription description) {
  static ProcessLifetime<ProfiledCommunicator> too_many;
  const std::lock_guard lock(mutex_);
  if (communicators_.size() == kMaxCommunicators) return *too_many;
  auto& added = communicators_.emplace_back(std::make_unique<ProfiledCommunicator>());
  added->index = static_cast<std::uint32_t>(communicators_.size());
  added->told = std::move(description);
  return *added;
}

std::vector<const ProfiledCommunicator*> Recorder::communicators() {
  const std::lock_guard lock(mutex_);
  std::vector<const ProfiledCommunicator*> all;
  for (const auto& communicator : communicators_) all.push_back(communicator.get());
  return all;
}

std::vector<const CallTable*> Recorder::tables() const {
  std::vector<const CallTable*> all;
  for (const auto& place : tables_) {
    if (const CallTable* const table = place.load(std::memory_order_acquire)) all.push_back(table);
  }
  return all;
}

std::uint64_t size_bucket(std::uint64_t nbytes) noexcept {
  if (nbytes < 4) return nbytes;
  const int shift = static_cast<int>(std::bit_width(nbytes)) - 3;
  return nbytes >> shift << shift;
}

}  // namespace vernier
