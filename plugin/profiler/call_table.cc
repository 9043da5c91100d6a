// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/call_table.hpp"

namespace vernier {
namespace {

std::size_t hash(const CallKey& key) noexcept {
  std::array<std::uint64_t, sizeof(CallKey) / 8> words;
  std::memcpy(words.data(), &key, sizeof(key));
  std::uint64_t mixed = 0;
  for (const std::uint64_t word : words) {
    mixed = (mixed ^ word) * 0x9E3779B97F4A7C15u;
    mixed ^= mixed >> 29;
  }
  return mixed;
}

}  // namespace

// HOT PATH. A free place ends every search.
std::uint16_t& CallTable::slot_of(const CallKey& key) noexcept {
  std::size_t i = hash(key) % index_.size();
  while (index_[i] != 0 && calls_[index_[i] - 1u].key != key) i = (i + 1) % index_.size();
  return index_[i];
}

Call* CallTable::insert(const CallKey& key) noexcept {
  const std::uint32_t position = size_.load(std::memory_order_relaxed);
  if (position == kCapacity) return nullptr;
  calls_[position].key = key;
  slot_of(key) = static_cast<std::uint16_t>(position + 1);
  size_.store(position + 1, std::memory_order_release);
  return &calls_[position];
}

}  // namespace vernier
