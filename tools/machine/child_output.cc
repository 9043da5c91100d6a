// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/child_output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

extern char** environ;

namespace vernier::machine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxBytes = 64u << 10;

// In a process group of its own, which can be killed as a whole. 0, or an error number.
int start(const std::vector<std::string>& arguments, int output, pid_t& child) {
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t group;
  posix_spawnattr_init(&group);
  posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawnp(&child, words[0], &files, &group, words.data(), environ);
  posix_spawnattr_destroy(&group);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Up to the end of the output; false where that does not come in time.
bool read_until(int pipe, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> piece;
  while (text.size() < kMaxBytes) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready{pipe, POLLIN, 0};
    const int polled = left <= 0 ? 0 : poll(&ready, 1, static_cast<int>(left));
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) return false;
    const ssize_t got = read(pipe, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace

Reading<std::string> child_output(const std::vector<std::string>& arguments, int limit_s) {
  using Result = Reading<std::string>;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Result::unreadable(std::strerror(errno));
  pid_t child = 0;
  const int error = start(arguments, ends[1], child);
  close(ends[1]);
  Result result;
  if (error == 0) {
    std::string text;
    const bool ended = read_until(ends[0], Clock::now() + std::chrono::seconds(limit_s), text);
    // Whatever is left of it: nobody reads on.
    kill(-child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    result = ended ? Result::of(std::move(text))
                   : Result::unreadable("no answer after " + std::to_string(limit_s) + " s");
  } else if (error != ENOENT) {
    result = Result::unreadable(std::strerror(error));
  }
  close(ends[0]);
  return result;
}

}  // namespace vernier::machine
