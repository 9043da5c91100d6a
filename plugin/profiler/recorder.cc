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

}  // namespace

struct Recorder::Thread {
  CallTable* table = nullptr;
  bool has_none = false;  // all were taken, or the thread is ending
  // Of the group that is open, or was last.
  bool in_group = false;
  std::uint32_t calls = 0;
  const Call* call = nullptr;
  const Call* kernel = nullptr;
  TimedLaunch* launch = nullptr;
  bool launched = false;

  // Some releases tell of a kernel before its launch, some after: all is known once both the group
  // and the launch have ended.
  void publish_launch() noexcept {
    if (launch == nullptr || !launched || in_group) return;
    const Call* const ran = kernel != nullptr ? kernel : call;
    Sampler::instance().publish(*launch, calls == 1 ? ran : nullptr);
    launch = nullptr;
  }

  ~Thread() {
    if (table != nullptr) table->owned.store(false, std::memory_order_release);
    table = nullptr;
    has_none = true;  // a later destructor of the thread may call NCCL
  }
};

Recorder& Recorder::instance() {
  static ProcessLifetime<Recorder> recorder;
  return *recorder;
}

Recorder::Thread& Recorder::this_thread() noexcept {
  thread_local Thread thread;
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

const Call* Recorder::count_call(const ProfiledCommunicator& communicator,
                                 const OperationFacts& facts, bool captured) noexcept {
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
  if (call != nullptr) add_one(call->count);
  ++thread.calls;
  thread.call = call;
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
  const bool replay = key.captured && !thread.in_group;
  add_one(replay ? call->replayed : call->count);
  if (!replay) thread.kernel = call;
  return call;
}

void Recorder::enter_group() noexcept {
  Thread& thread = this_thread();
  thread.in_group = true;
  thread.calls = 0;
  thread.call = nullptr;
  thread.kernel = nullptr;
}

void Recorder::leave_group() noexcept {
  Thread& thread = this_thread();
  thread.in_group = false;
  thread.publish_launch();
}

TimedLaunch* Recorder::begin_launch(void* stream) noexcept {
  Thread& thread = this_thread();
  // A second launch of a group, or one of another thread than the calls.
  if (thread.launch != nullptr || thread.call == nullptr || !thread.in_group) return nullptr;
  thread.launch = Sampler::instance().begin(stream, thread.call->key.captured);
  thread.launched = false;
  return thread.launch;
}

void Recorder::end_launch(TimedLaunch& launch) noexcept {
  Sampler::instance().end(launch);
  Thread& thread = this_thread();
  thread.launched = true;
  thread.publish_launch();
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
