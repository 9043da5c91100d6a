// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/log_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "plugin/common/settings.hpp"

namespace vernier {
namespace {

ProcessName make_process_name() {
  ProcessName name;
  utsname system{};
  if (uname(&system) == 0) name.host = static_cast<const char*>(system.nodename);
  for (char& c : name.host) {  // it becomes part of a file name
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && c != '.') c = '_';
  }
  if (name.host.empty()) name.host = "host";
  name.pid = getpid();
  name.started_ns =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
  return name;
}

// 0 or an errno.
int write_text(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

int write_and_close(int file, std::string_view text) {
  const int error = write_text(file, text);
  return close(file) != 0 && error == 0 ? errno : error;
}

// Length of the UTF-8 character at the front of `text`, 0 if it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = byte(0) < 0x80                      ? 1
                             : byte(0) >= 0xC2 && byte(0) < 0xE0 ? 2
                             : byte(0) >= 0xE0 && byte(0) < 0xF0 ? 3
                             : byte(0) >= 0xF0 && byte(0) < 0xF5 ? 4
                                                                 : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what is beyond Unicode.
  if (length >= 3) {
    const unsigned first = byte(0) * 256u + byte(1);
    if (first < 0xE0A0 || (first >= 0xEDA0 && first < 0xEE00)) return 0;
    if (length == 4 && (first < 0xF090 || first >= 0xF490)) return 0;
  }
  return length;
}

}  // namespace

std::uint64_t wall_clock_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

const ProcessName& process_name() {
  static const auto* const name = new ProcessName(make_process_name());
  return *name;
}

std::optional<std::string> log_directory() {
  auto directory = get_env("NCCL_VERNIER_LOG_DIR");
  if (!directory || directory->empty()) return std::nullopt;
  mkdir(directory->c_str(), 0777);
  return directory;
}

std::string log_path(const std::string& directory, std::string_view kind) {
  const ProcessName& name = process_name();
  return fmt::format("{}/{}-{}-{}-{}.jsonl", directory, kind, name.host, name.pid, name.started_ns);
}

int replace_file(const std::string& path, std::string_view text) {
  // A name of its own: processes and threads may write the same file at the same time.
  std::string fresh = path + ".XXXXXX";
  const int file = mkostemp(fresh.data(), O_CLOEXEC);
  if (file < 0) return errno;
  fchmod(file, 0644);
  int error = write_and_close(file, text);
  if (error == 0 && rename(fresh.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) unlink(fresh.c_str());
  return error;
}

int append_text(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file < 0) return errno;
  struct stat before {};
  const bool known = fstat(file, &before) == 0;
  const int error = write_text(file, text);
  // Not a piece of a line, to which the next one would be glued.
  if (error != 0 && known) (void)!ftruncate(file, before.st_size);
  return close(file) != 0 && error == 0 ? errno : error;
}

std::string json_string(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return json + '"';
}

}  // namespace vernier
