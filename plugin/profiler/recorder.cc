// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/recorder.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "plugin/common/process_lifetime.hpp"

namespace vernier {

struct Recorder::Thread {
  CallTable* table = nullptr;
  bool in_group = false;

  ~Thread() {
    if (table != nullptr) table->owned.store(false, std::memory_order_release);
    table = nullptr;
  }
};

Recorder& Recorder::instance() {
  static ProcessLifetime<Recorder> recorder;
  return *recorder.operator->();
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
    bool owned = false;
    if (table->owned.compare_exchange_strong(owned, true, std::memory_order_acquire)) return table;
  }
  return nullptr;
}

CallTable* Recorder::table() noexcept {
  if (stopped_.load(std::memory_order_relaxed)) return nullptr;
  Thread& thread = this_thread();
  if (thread.table == nullptr) {
    thread.table = claim_table();
    if (thread.table == nullptr) dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  return thread.table;
}

// Whether one more call may have counters of its own.
bool Recorder::may_be_exact() noexcept {
  std::uint32_t calls = exact_calls_.load(std::memory_order_relaxed);
  while (calls < kMaxExactCalls) {
    if (exact_calls_.compare_exchange_weak(calls, calls + 1, std::memory_order_relaxed))
      return true;
  }
  return false;
}

Call* Recorder::count(CallTable& table, CallKey key) noexcept {
  Call* call = table.find(key);
  if (call == nullptr && key.parent == nullptr && !may_be_exact()) {
    key.count = size_bucket(key.count * kDataTypeBytes[static_cast<std::size_t>(key.data_type)]);
    key.communicator = 0;
    key.data_type = DataType::other;
    key.channels = 0;
    key.bucket = true;
    call = table.find(key);
  }
  if (call == nullptr) call = table.insert(key);
  if (call == nullptr) add_one(table.dropped);
  return call;
}

const Call* Recorder::count_call(const ProfiledCommunicator& communicator,
                                 const OperationFacts& facts, bool captured) noexcept {
  CallTable* const mine = table();
  if (mine == nullptr) return nullptr;
  Call* const call = count(*mine, {.count = facts.count,
                                   .communicator = communicator.index,
                                   .operation = facts.operation,
                                   .data_type = facts.data_type,
                                   .captured = captured});
  if (call != nullptr) add_one(call->count);
  return call;
}

void Recorder::count_kernel(const ProfiledCommunicator& communicator, const Call* parent,
                            const KernelFacts& facts) noexcept {
  CallTable* const mine = table();
  if (mine == nullptr) return;
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
  Call* const call = count(*mine, key);
  if (call == nullptr) return;
  const bool replay = key.captured && !this_thread().in_group;
  add_one(replay ? call->replayed : call->count);
}

void Recorder::enter_group() noexcept { this_thread().in_group = true; }
void Recorder::leave_group() noexcept { this_thread().in_group = false; }

ProfiledCommunicator& Recorder::add(CommunicatorDescription description) {
  static ProcessLifetime<ProfiledCommunicator> too_many;
  const std::lock_guard lock(mutex_);
  if (communicators_.size() == kMaxCommunicators) return *too_many.operator->();
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
