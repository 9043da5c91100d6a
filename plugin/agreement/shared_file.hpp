// SPDX-License-Identifier: Apache-2.0
//
// A file that processes of one user share: opened with suspicion, locked by byte, mapped. Locks are
// those of open file descriptions (Linux 3.15), which the kernel drops when their last holder dies,
// whatever container it is in, and which tell threads of one process apart. A forked child holds
// what its parent held until it executes something else. Nothing throws.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "plugin/common/futex.hpp"

namespace vernier {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Opens or makes a regular file that belongs to this user and that nobody else may open. Empty, and
// errno set, when that cannot be: EPERM for a file of another user or of another kind.
[[nodiscard]] FileDescriptor open_private(const char* path) noexcept;

[[nodiscard]] off_t size_of(const FileDescriptor& file) noexcept;  // -1: not known

// Whether `path` still names this file.
[[nodiscard]] bool is_named(const FileDescriptor& file, const char* path) noexcept;

// An exclusive lock of one byte, beyond the end of the file too. False: not had by then.
[[nodiscard]] bool lock_byte(const FileDescriptor& file, off_t byte, Deadline deadline) noexcept;
void unlock_byte(const FileDescriptor& file, off_t byte) noexcept;
[[nodiscard]] bool is_locked_elsewhere(const FileDescriptor& file, off_t byte) noexcept;

// The first bytes of a file, shared with whoever else maps it.
class Mapping {
 public:
  Mapping() = default;
  // Reserves the memory first, so that a full file system is an error here and no SIGBUS later.
  // Empty, and errno set, when it cannot.
  Mapping(const FileDescriptor& file, std::size_t nbytes) noexcept;
  Mapping(Mapping&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), nbytes_(std::exchange(other.nbytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(nbytes_, other.nbytes_);
    return *this;
  }
  ~Mapping();

  [[nodiscard]] std::byte* bytes() const { return bytes_; }
  explicit operator bool() const { return bytes_ != nullptr; }

 private:
  std::byte* bytes_ = nullptr;
  std::size_t nbytes_ = 0;
};

}  // namespace vernier
