// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vernier::machine {

// Bytes that are read as they are asked for.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  [[nodiscard]] virtual std::uint64_t nbytes() const = 0;
  // Fills all of `into` from `offset` on; false where that many are not there.
  [[nodiscard]] virtual bool read(std::uint64_t offset, std::span<std::byte> into) const = 0;
};

}  // namespace vernier::machine
