// SPDX-License-Identifier: Apache-2.0
//
// Memory that is handed to a plugin: known bytes on both sides that are checked afterwards, and
// pages beyond them that cannot be touched at all.
#pragma once

#include <cstddef>
#include <span>

namespace vernier::contract {

class GuardedFloats {
 public:
  // The bytes beside the floats look like cheap, usable costs: a plugin that reads past the table
  // finds them attractive.
  static constexpr float kCanary = 0.125f;

  explicit GuardedFloats(std::size_t count);
  ~GuardedFloats();
  GuardedFloats(const GuardedFloats&) = delete;
  GuardedFloats& operator=(const GuardedFloats&) = delete;

  [[nodiscard]] std::span<float> floats() { return {first_, count_}; }

  // Whether everything beside the floats is as it was.
  [[nodiscard]] bool intact() const;

 private:
  std::byte* pages_;
  float* first_;
  std::size_t count_;
};

// A copy of `bytes` in a page of its own. After close() any access to it is a crash: a plugin that
// keeps the pointer does not survive.
class LentCopy {
 public:
  LentCopy(const void* bytes, std::size_t size);
  ~LentCopy();
  LentCopy(const LentCopy&) = delete;
  LentCopy& operator=(const LentCopy&) = delete;

  [[nodiscard]] void* data() { return page_; }
  [[nodiscard]] bool equals(const void* bytes, std::size_t size) const;
  void close();

 private:
  std::byte* page_;
};

}  // namespace vernier::contract
