// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace vernier::machine {
namespace {

// Bytes read; 0 at the end; -1 with errno.
ssize_t read_some(int file, std::uint64_t offset, std::span<std::byte> into) {
  for (;;) {
    const ssize_t got = pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

RegularFile::RegularFile(const std::string& path)
    : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
  struct stat facts {};
  if (file_ < 0 || fstat(file_, &facts) != 0) {
    opened_ = refusal<bool>(errno);
  } else if (S_ISDIR(facts.st_mode)) {
    opened_ = refusal<bool>(EISDIR);
  } else if (!S_ISREG(facts.st_mode)) {
    opened_ = Reading<bool>::unreadable("not a regular file");
  } else {
    nbytes_ = static_cast<std::uint64_t>(facts.st_size);
    opened_ = Reading<bool>::of(true);
  }
}

RegularFile::~RegularFile() {
  if (file_ >= 0) close(file_);
}

bool RegularFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t got = read_some(file_, offset, into);
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

Reading<std::string> RegularFile::text(std::size_t max_bytes) const {
  std::string text;
  std::array<char, 65536> piece;
  while (text.size() < max_bytes) {
    const std::span<char> room{piece.data(), std::min(piece.size(), max_bytes - text.size())};
    const ssize_t got = read_some(file_, text.size(), std::as_writable_bytes(room));
    // sysfs files exist and refuse: EINVAL and EOPNOTSUPP mean that there is nothing to say.
    if (got < 0) return refusal<std::string>(errno);
    if (got == 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return Reading<std::string>::of(std::move(text));
}

}  // namespace vernier::machine
