// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/rank_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/calibrate/machine_error.hpp"

extern char** environ;

namespace vernier::calibrate {
namespace {

std::vector<std::string> changed(const EnvironmentChange& change) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) all[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const std::string& name : change.unset) all.erase(name);
  for (const auto& [name, value] : change.set) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

// `fd` under the number that the rank expects. Without O_CLOEXEC, as dup2 leaves it.
void give(int fd, int number) {
  if (fd >= 0 && dup2(fd, number) < 0) _exit(127);
}

}  // namespace

RankProcess::RankProcess(const RankSetup& setup, const EnvironmentChange& environment,
                         const RankFiles& files) {
  // Everything that allocates happens before the fork.
  const std::vector<std::string> lines = changed(environment);
  std::vector<char*> entries;
  for (const std::string& line : lines) entries.push_back(const_cast<char*>(line.c_str()));
  entries.push_back(nullptr);
  const std::string argument = to_argument(setup);
  const std::array<const char*, 4> arguments = {"vernier", kRankArgument, argument.c_str(),
                                                nullptr};
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw MachineError(fmt::format("no process: {}", std::strerror(errno)));
  if (pid_ > 0) return;
  // A rank that nobody watches would hold its GPU for ever. Kept over execve; who died before it
  // was asked for sends none.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);  // Ctrl-C is for the command, which ends its ranks itself
  // Moved out of the way first: a number that is given must not be one that is still to come.
  const auto high = [](int fd) { return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 64); };
  const int command_high = high(files.command);
  const int reply_high = high(files.reply);
  const int id_high = high(files.unique_id);
  const int log_high = high(files.log);
  give(open("/dev/null", O_RDONLY), STDIN_FILENO);
  give(log_high, STDOUT_FILENO);
  give(log_high, STDERR_FILENO);
  give(command_high, kCommandFd);
  give(reply_high, kReplyFd);
  give(id_high, kUniqueIdFd);
  execve("/proc/self/exe", const_cast<char**>(arguments.data()), entries.data());
  _exit(127);
}

RankProcess::~RankProcess() {
  if (pid_ < 0) return;
  kill();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<std::string> RankProcess::how_it_ended() const {
  siginfo_t info{};
  // Left to be reaped by the destructor.
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  return info.si_code == CLD_EXITED ? fmt::format("ended with status {}", info.si_status)
                                    : fmt::format("was killed by signal {} ({})", info.si_status,
                                                  strsignal(info.si_status));
}

void RankProcess::kill() const { ::kill(pid_, SIGKILL); }

}  // namespace vernier::calibrate
