// SPDX-License-Identifier: Apache-2.0
#include "tools/common/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace vernier {
namespace {

// Returns errno, or 0.
int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// Opens, writes and closes. Some file systems report a full disk only on fsync or close.
int write_file(const std::string& path, int flags, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666);
  if (file < 0) return errno;
  int error = write_all(file, text);
  if (error == 0 && fsync(file) != 0 && errno != EINVAL && errno != EROFS) error = errno;
  if (close(file) != 0 && error == 0) error = errno;
  return error;
}

int replace_file(const std::string& path, std::string_view text) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  int error = write_file(temporary, O_CREAT | O_EXCL, text);
  if (error == EEXIST) return error;  // not ours to remove
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) unlink(temporary.c_str());
  return error;
}

}  // namespace

std::string write_output(const std::string& path, std::string_view text) {
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};  // flush_results() tells
  }
  std::error_code unknown;  // then the path is new, or writing says what is wrong
  const auto status = std::filesystem::status(path, unknown);
  const bool in_place =
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  // Through a link: the file it names is replaced, not the link.
  const auto target = std::filesystem::exists(status) ? std::filesystem::canonical(path, unknown)
                                                      : std::filesystem::path(path);
  const int error = in_place ? write_file(path, 0, text) : replace_file(target.string(), text);
  return error == 0 ? "" : std::strerror(error);
}

}  // namespace vernier
