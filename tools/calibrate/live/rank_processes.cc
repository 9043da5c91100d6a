// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/rank_processes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "tools/calibrate/live/agents.hpp"
#include "tools/calibrate/live/monotonic.hpp"
#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kEndS = 5;

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw MachineError(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  return ends;
}

}  // namespace

RankProcesses::RankProcesses(const LaunchSetup& setup, Agents* agents) : agents_(agents) {
  if (agents_ != nullptr) agents_->start(setup);
  const std::array<int, 2> command = make_pipe();
  const std::array<int, 2> reply = make_pipe();
  const std::array<int, 2> id = make_pipe();
  command_fd_ = command[1];
  reply_fd_ = reply[0];
  for (int rank = 0; rank < (agents_ != nullptr ? 1 : setup.ranks); ++rank) {
    start(setup, rank,
          rank == 0 ? RankFiles{command[0], reply[1], id[1]} : RankFiles{-1, -1, id[0]});
  }
  for (const int fd : {command[0], reply[1], id[0], id[1]}) close(fd);
}

RankProcesses::~RankProcesses() {
  kill_all();
  close(command_fd_);
  close(reply_fd_);
}

void RankProcesses::start(const LaunchSetup& setup, int rank, RankFiles files) {
  EnvironmentChange environment{setup.environment, setup.unset};
  for (const auto& [name, value] : setup.of_rank[static_cast<std::size_t>(rank)]) {
    environment.set[name] = value;
  }
  if (agents_ != nullptr) environment.set["NCCL_COMM_ID"] = agents_->address();
  const std::string log = fmt::format("{}/rank{}.log", setup.log_dir, rank);
  files.log = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (files.log < 0) throw MachineError(fmt::format("{}: {}", log, std::strerror(errno)));
  const int device = agents_ != nullptr ? agents_->own_device() : rank;
  here_.emplace_back(RankSetup{rank, setup.ranks, device, setup.nccl, setup.data_type,
                               setup.max_bytes, setup.confirms},
                     environment, files);
  close(files.log);
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
  for (std::size_t rank = 0; rank < here_.size(); ++rank) {
    if (const auto how = here_[rank].how_it_ended()) {
      end_text_ = fmt::format("rank {} {}", rank, *how);
      return true;
    }
  }
  if (agents_ == nullptr) return false;
  const auto elsewhere = agents_->find_ended();
  if (elsewhere) end_text_ = *elsewhere;
  return elsewhere.has_value();
}

void RankProcesses::kill_all() {
  if (!alive()) return;
  for (const RankProcess& process : here_) process.kill();
  here_.clear();
  if (agents_ != nullptr) agents_->stop();
}

}  // namespace vernier::calibrate
