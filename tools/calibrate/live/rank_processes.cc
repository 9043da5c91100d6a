// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/rank_processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "tools/calibrate/machine_error.hpp"

extern char** environ;

namespace vernier::calibrate {
namespace {

constexpr int kPollMs = 50;
constexpr double kEndS = 5;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw MachineError(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  return ends;
}

std::vector<std::string> environment_of(const LaunchSetup& setup, int rank) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) all[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const std::string& name : setup.unset) all.erase(name);
  for (const auto& [name, value] : setup.environment) all[name] = value;
  for (const auto& [name, value] : setup.of_rank[static_cast<std::size_t>(rank)]) {
    all[name] = value;
  }
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

// `fd` under the number that the rank expects. Without O_CLOEXEC, as dup2 leaves it.
void give(int fd, int number) {
  if (fd >= 0 && dup2(fd, number) < 0) _exit(127);
}

}  // namespace

RankProcesses::RankProcesses(const LaunchSetup& setup) {
  const std::array<int, 2> command = make_pipe();
  const std::array<int, 2> reply = make_pipe();
  const std::array<int, 2> id = make_pipe();
  command_fd_ = command[1];
  reply_fd_ = reply[0];
  for (int rank = 0; rank < setup.ranks; ++rank) {
    const bool first = rank == 0;
    start(setup, rank, first ? command[0] : -1, first ? reply[1] : -1, first ? id[1] : id[0]);
  }
  for (const int fd : {command[0], reply[1], id[0], id[1]}) close(fd);
}

RankProcesses::~RankProcesses() {
  kill_all();
  close(command_fd_);
  close(reply_fd_);
}

void RankProcesses::start(const LaunchSetup& setup, int rank, int command_fd, int reply_fd,
                          int id_fd) {
  // Everything that allocates happens before the fork.
  const std::vector<std::string> lines = environment_of(setup, rank);
  std::vector<char*> entries;
  for (const std::string& line : lines) entries.push_back(const_cast<char*>(line.c_str()));
  entries.push_back(nullptr);
  const std::string argument = to_argument(
      {rank, setup.ranks, setup.nccl, setup.data_type, setup.max_bytes, setup.confirms});
  const std::array<const char*, 4> arguments = {"vernier", kRankArgument, argument.c_str(),
                                                nullptr};
  const std::string log = fmt::format("{}/rank{}.log", setup.log_dir, rank);
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) throw MachineError(fmt::format("{}: {}", log, std::strerror(errno)));

  const pid_t pid = fork();
  if (pid < 0) throw MachineError(fmt::format("no process: {}", std::strerror(errno)));
  if (pid == 0) {
    setpgid(0, 0);  // Ctrl-C is for the command, which ends its ranks itself
    // Moved out of the way first: a number that is given must not be one that is still to come.
    const auto high = [](int fd) { return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 64); };
    const int command_high = high(command_fd);
    const int reply_high = high(reply_fd);
    const int id_high = high(id_fd);
    const int log_high = high(log_fd);
    give(open("/dev/null", O_RDONLY), STDIN_FILENO);
    give(log_high, STDOUT_FILENO);
    give(log_high, STDERR_FILENO);
    give(command_high, kCommandFd);
    give(reply_high, kReplyFd);
    give(id_high, kUniqueIdFd);
    execve("/proc/self/exe", const_cast<char**>(arguments.data()), entries.data());
    _exit(127);
  }
  close(log_fd);
  pids_.push_back(pid);
}

std::optional<Hello> RankProcesses::hello(double limit_s) {
  Hello hello{};
  if (!receive(&hello, sizeof hello, now_s() + limit_s)) return std::nullopt;
  return hello;
}

std::optional<RankProcesses::Answer> RankProcesses::ask(const Command& command, double limit_s) {
  if (!alive()) return std::nullopt;
  const double deadline_s = now_s() + limit_s;
  if (!write_all(command_fd_, &command, sizeof command)) {
    wait_for_end();
    end_ = End::ended;
    kill_all();
    return std::nullopt;
  }
  Answer answer{};
  if (!receive(&answer.reply, sizeof answer.reply, deadline_s)) return std::nullopt;
  answer.numbers.resize(answer.reply.numbers);
  if (!receive(answer.numbers.data(), answer.numbers.size() * sizeof(float), deadline_s)) {
    return std::nullopt;
  }
  return answer;
}

bool RankProcesses::receive(void* data, std::size_t nbytes, double deadline_s) {
  char* at = static_cast<char*>(data);
  while (nbytes > 0) {
    pollfd waiting{reply_fd_, POLLIN, 0};
    const int ready = poll(&waiting, 1, kPollMs);
    if (ready > 0 && (waiting.revents & POLLIN) != 0) {
      const ssize_t got = read(reply_fd_, at, nbytes);
      if (got > 0) {
        at += got;
        nbytes -= static_cast<std::size_t>(got);
        continue;
      }
    }
    const bool closed = ready > 0;  // readable, and nothing came: rank 0 is going
    if (closed) wait_for_end();
    if (closed || one_ended()) {
      end_ = End::ended;
    } else if (now_s() > deadline_s) {
      end_ = End::hung;
      end_text_ = "no answer in time";
    } else {
      continue;
    }
    kill_all();
    return false;
  }
  return true;
}

// The pipe of a process closes a moment before it can be waited for.
void RankProcesses::wait_for_end() {
  const double deadline_s = now_s() + kEndS;
  while (!one_ended() && now_s() < deadline_s) poll(nullptr, 0, kPollMs);
}

bool RankProcesses::one_ended() {
  for (std::size_t rank = 0; rank < pids_.size(); ++rank) {
    siginfo_t info{};
    // Left to be reaped by kill_all.
    if (waitid(P_PID, static_cast<id_t>(pids_[rank]), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0) {
      continue;
    }
    end_text_ = info.si_code == CLD_EXITED
                    ? fmt::format("rank {} ended with status {}", rank, info.si_status)
                    : fmt::format("rank {} was killed by signal {} ({})", rank, info.si_status,
                                  strsignal(info.si_status));
    return true;
  }
  return false;
}

void RankProcesses::kill_all() {
  for (const pid_t pid : pids_) kill(pid, SIGKILL);
  for (const pid_t pid : pids_) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pids_.clear();
}

}  // namespace vernier::calibrate
