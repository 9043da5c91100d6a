// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/guarded.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace vernier::contract {
namespace {

std::size_t page_bytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

std::byte* map_pages(std::size_t pages, int protection) {
  void* const at =
      mmap(nullptr, pages * page_bytes(), protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(at);
}

constexpr std::size_t kGuardFloats = 64;

}  // namespace

// no access | ... canaries, floats, canaries | no access: the last canary ends with its page.
GuardedFloats::GuardedFloats(std::size_t count)
    : pages_(map_pages(3, PROT_NONE)), first_(nullptr), count_(count) {
  mprotect(pages_ + page_bytes(), page_bytes(), PROT_READ | PROT_WRITE);
  float* const end = reinterpret_cast<float*>(pages_ + 2 * page_bytes());
  first_ = end - kGuardFloats - count_;
  std::fill(first_ - kGuardFloats, end, kCanary);
}

GuardedFloats::~GuardedFloats() { munmap(pages_, 3 * page_bytes()); }

bool GuardedFloats::intact() const {
  const auto is_canary = [](float value) { return value == kCanary; };
  return std::all_of(first_ - kGuardFloats, first_, is_canary) &&
         std::all_of(first_ + count_, first_ + count_ + kGuardFloats, is_canary);
}

LentCopy::LentCopy(const void* bytes, std::size_t size)
    : page_(map_pages(1, PROT_READ | PROT_WRITE)) {
  std::memcpy(page_, bytes, size);
}

LentCopy::~LentCopy() { munmap(page_, page_bytes()); }

bool LentCopy::equals(const void* bytes, std::size_t size) const {
  return std::memcmp(page_, bytes, size) == 0;
}

void LentCopy::close() { mprotect(page_, page_bytes(), PROT_NONE); }

}  // namespace vernier::contract
