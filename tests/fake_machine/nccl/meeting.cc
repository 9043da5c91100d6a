// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/meeting.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <set>
#include <system_error>

namespace vernier::fake_machine {

// All zero is its first state, so nobody has to be first.
struct Meeting::Shared {
  std::atomic<std::uint32_t> arrived;
  std::atomic<std::uint32_t> generation;
  Member members[kMaxRanks];
  std::uint64_t stamps[2][kMaxRanks];
};

namespace {

constexpr std::size_t kHeaderBytes = 4096;
constexpr int kYields = 30;  // most barriers are over by then; there may be more ranks than cores

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  static_assert(sizeof(word) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
  return syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

void* map_shared(const std::string& name, std::size_t nbytes) {
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), name);
  void* memory = MAP_FAILED;
  if (ftruncate(fd, static_cast<off_t>(nbytes)) == 0) {
    memory = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (memory == MAP_FAILED) throw std::system_error(error, std::generic_category(), name);
  return memory;
}

}  // namespace

Meeting::Meeting(const std::string& name, int ranks, int rank, const Member& self)
    : ranks_(ranks),
      rank_(rank),
      nbytes_(kHeaderBytes + 2 * static_cast<std::size_t>(ranks) * kSlotBytes),
      shared_(static_cast<Shared*>(map_shared(name, nbytes_))) {
  static_assert(sizeof(Shared) <= kHeaderBytes);
  shared_->members[rank] = self;
  barrier();
  if (rank == 0) shm_unlink(name.c_str());  // everybody has it; nothing is left behind
}

Meeting::~Meeting() { munmap(shared_, nbytes_); }

const Member& Meeting::member(int rank) const { return shared_->members[rank]; }

int Meeting::count_hosts() const {
  std::set<std::uint64_t> hosts;
  for (int rank = 0; rank < ranks_; ++rank) hosts.insert(member(rank).host);
  return static_cast<int>(hosts.size());
}

std::byte* Meeting::slot(int rank) {
  const auto index = turn_ * static_cast<std::size_t>(ranks_) + static_cast<std::size_t>(rank);
  return reinterpret_cast<std::byte*>(shared_) + kHeaderBytes + index * kSlotBytes;
}

std::uint64_t& Meeting::stamp(int rank) { return shared_->stamps[turn_][rank]; }

void Meeting::barrier() {
  const std::uint32_t generation = shared_->generation.load(std::memory_order_acquire);
  const auto is_over = [&] {
    return shared_->generation.load(std::memory_order_acquire) != generation;
  };
  if (shared_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 ==
      static_cast<std::uint32_t>(ranks_)) {
    shared_->arrived.store(0, std::memory_order_relaxed);
    shared_->generation.fetch_add(1, std::memory_order_release);
    futex(shared_->generation, FUTEX_WAKE, INT_MAX);
    return;
  }
  for (int i = 0; i < kYields; ++i) {
    if (is_over()) return;
    sched_yield();
  }
  while (!is_over()) futex(shared_->generation, FUTEX_WAIT, generation);
}

}  // namespace vernier::fake_machine
