// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "tools/machine/byte_source.hpp"
#include "tools/machine/reading.hpp"

namespace vernier::machine {

// A file of a path that anybody may have set: opening never waits, as it would for a FIFO, and what
// is no regular file is refused. Files of /proc and /sys are regular; their size is said to be 0 or
// a page. Closed at the end.
class RegularFile final : public ByteSource {
 public:
  explicit RegularFile(const std::string& path);
  ~RegularFile() override;
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  // Of opening: why there is nothing to read. Absent where the file is; present says true.
  [[nodiscard]] const Reading<bool>& opened() const { return opened_; }

  [[nodiscard]] std::uint64_t nbytes() const override { return nbytes_; }
  // By pread: a file that somebody cuts meanwhile is a short one, where a mapping would be SIGBUS.
  [[nodiscard]] bool read(std::uint64_t offset, std::span<std::byte> into) const override;
  // From its begin, at most `max_bytes`, whatever size it says.
  [[nodiscard]] Reading<std::string> text(std::size_t max_bytes) const;

 private:
  int file_;
  std::uint64_t nbytes_ = 0;
  Reading<bool> opened_;
};

// An error number as an answer: a missing file or folder on the way is absence; everything else is
// a refusal.
template <typename T>
[[nodiscard]] Reading<T> refusal(int error) {
  if (error == ENOENT || error == ENOTDIR || error == ENODEV || error == ENXIO) return {};
  return Reading<T>::unreadable(std::strerror(error));
}

}  // namespace vernier::machine
