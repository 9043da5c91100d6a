// SPDX-License-Identifier: Apache-2.0
#include "plugin/agreement/shared_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace vernier {
namespace {

using std::chrono::steady_clock;

struct flock one_byte(short type, off_t byte) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;  // l_pid has to be 0
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

FileDescriptor open_private(const char* path) noexcept {
  // Neither a link, nor a pipe that would block.
  FileDescriptor file(
      open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR));
  if (!file) return file;
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return {};
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
      (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    errno = EPERM;
    return {};
  }
  return file;
}

off_t size_of(const FileDescriptor& file) noexcept {
  struct stat status {};
  return fstat(file.get(), &status) == 0 ? status.st_size : -1;
}

bool is_named(const FileDescriptor& file, const char* path) noexcept {
  struct stat mine {};
  struct stat named {};
  return fstat(file.get(), &mine) == 0 && lstat(path, &named) == 0 && mine.st_dev == named.st_dev &&
         mine.st_ino == named.st_ino;
}

bool lock_byte(const FileDescriptor& file, off_t byte, Deadline deadline) noexcept {
  using namespace std::chrono_literals;
  // Polled: the kernel has no wait for a lock that ends by itself.
  for (auto pause = 20us;; pause = std::min<std::chrono::microseconds>(pause * 2, 1ms)) {
    struct flock lock = one_byte(F_WRLCK, byte);
    if (fcntl(file.get(), F_OFD_SETLK, &lock) == 0) return true;
    if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || steady_clock::now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(pause);
  }
}

void unlock_byte(const FileDescriptor& file, off_t byte) noexcept {
  struct flock lock = one_byte(F_UNLCK, byte);
  (void)fcntl(file.get(), F_OFD_SETLK, &lock);
}

bool is_locked_elsewhere(const FileDescriptor& file, off_t byte) noexcept {
  struct flock lock = one_byte(F_WRLCK, byte);
  return fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

Mapping::Mapping(const FileDescriptor& file, std::size_t nbytes) noexcept {
  int error = EINTR;
  for (int tries = 0; error == EINTR && tries < 100; ++tries) {
    error = posix_fallocate(file.get(), 0, static_cast<off_t>(nbytes));
  }
  if (error != 0) {
    errno = error;
    return;
  }
  void* const where = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (where == MAP_FAILED) return;
  madvise(where, nbytes, MADV_DONTFORK);
  bytes_ = static_cast<std::byte*>(where);
  nbytes_ = nbytes;
}

Mapping::~Mapping() {
  if (bytes_ != nullptr) munmap(bytes_, nbytes_);
}

}  // namespace vernier
