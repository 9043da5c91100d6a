// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/agent.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "tools/calibrate/live/monotonic.hpp"
#include "tools/calibrate/live/rank_process.hpp"
#include "tools/calibrate/live/roll_call.hpp"
#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {
namespace {

constexpr off_t kLastWordsBytes = 4096;

// Where a rank's stderr goes: memory, because only rank 0 writes files.
class Log {
 public:
  Log() : file_(memfd_create("rank.log", MFD_CLOEXEC)) {
    if (file_.fd() < 0) throw MachineError(fmt::format("no memory file: {}", std::strerror(errno)));
  }
  [[nodiscard]] int fd() const { return file_.fd(); }

  [[nodiscard]] std::string last_line() const {
    struct stat status {};
    if (fstat(fd(), &status) != 0) return {};
    std::string text(static_cast<std::size_t>(std::min(status.st_size, kLastWordsBytes)), '\0');
    const ssize_t got =
        pread(fd(), text.data(), text.size(), std::max(off_t{0}, status.st_size - kLastWordsBytes));
    text.resize(static_cast<std::size_t>(std::max(ssize_t{0}, got)));
    while (text.ends_with('\n')) text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  }

 private:
  Socket file_;
};

class Agent {
 public:
  Agent(const CallOptions& options, const std::string& nccl, LineSocket line)
      : options_(options), nccl_(nccl), line_(std::move(line)) {}

  // Until the end of the run; MachineError where rank 0 is gone.
  void serve(Json said) {
    while (!said.contains("end")) {
      if (said.contains("refused")) throw MachineError(said["refused"].get<std::string>());
      if (said.contains("start")) start(said["start"]);
      if (said.contains("stop") && running_) report("was stopped");
      said = next();
    }
  }

 private:
  // What rank 0 says next; meanwhile the rank is watched.
  Json next() {
    Json said;
    while (true) {
      switch (line_.receive(said)) {
        case LineSocket::Got::document: return said;
        case LineSocket::Got::gone: throw MachineError("rank 0 is gone; this rank ends too");
        case LineSocket::Got::nothing: break;
      }
      if (running_) {
        if (const auto how = running_->how_it_ended()) {
          const std::string words = log_->last_line();
          report(words.empty() ? *how : fmt::format("{}: {}", *how, words));
        }
      }
      line_.wait(kPollMs);
    }
  }

  void start(const Json& setup) {
    log_.emplace();
    running_.emplace(
        RankSetup{options_.task->rank, setup.at("ranks"), device_of(*options_.task), nccl_,
                  setup.at("data_type"), setup.at("max_bytes"), setup.at("confirms")},
        EnvironmentChange{setup.at("environment"), setup.at("unset")},
        RankFiles{-1, -1, -1, log_->fd()});
  }

  // Once for each start.
  void report(const std::string& how) {
    running_.reset();
    (void)line_.send({{"ended", how}});
  }

  const CallOptions& options_;
  const std::string& nccl_;
  LineSocket line_;
  std::optional<Log> log_;
  std::optional<RankProcess> running_;
};

// Ctrl-C and a launcher's SIGTERM reach every task. It is rank 0 that stops the run, when what it
// measures just now is whole; who insists is obeyed.
void leave_it_to_rank_0(int signal) { std::signal(signal, SIG_DFL); }

}  // namespace

ExitCode serve_as_agent(const CallOptions& options, const std::string& plugin) {
  try {
    const Json hello = describe_task(options, plugin);
    Json first;
    LineSocket line = answer_roll(options, hello, first);
    std::signal(SIGINT, leave_it_to_rank_0);
    std::signal(SIGTERM, leave_it_to_rank_0);
    const std::string nccl = hello["facts"].value("NCCL library", "");
    Agent(options, nccl, std::move(line)).serve(std::move(first));
    return ExitCode::fine;  // rank 0 tells how it went
  } catch (const std::exception& error) {
    print_talk(fmt::format("vernier: error: {}", error.what()));
    return ExitCode::could_not_look;
  }
}

}  // namespace vernier::calibrate
