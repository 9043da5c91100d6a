// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/profile_writer.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

#include "plugin/common/c_edge.hpp"
#include "plugin/common/log_directory.hpp"
#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

constexpr std::chrono::seconds kInterval{1};

std::uint64_t wall_clock_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

// A thread inherits the CPU to which NCCL or the launcher tied its maker, and would disturb it
// there. The kernel cuts the set down to what the process may use.
void run_on_any_cpu() {
  cpu_set_t all;
  std::memset(&all, 0xff, sizeof(all));
  pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
}

std::string describe(const std::string& path, int error) {
  return fmt::format("{}: {}", path, std::generic_category().message(error));
}

}  // namespace

ProfileWriter& ProfileWriter::instance() {
  static ProcessLifetime<ProfileWriter> writer;
  return *writer.operator->();
}

std::optional<std::string> ProfileWriter::start(const std::string& directory,
                                                const std::string& nccl, int profiler_abi) {
  if (stopped_.load(std::memory_order_relaxed))
    return "this is the child of a process that used NCCL";
  const std::lock_guard lock(mutex_);
  if (started_) return start_problem_;
  started_ = true;
  path_ = log_path(directory, "profile");
  header_.nccl = nccl;
  header_.profiler_abi = profiler_abi;
  header_.written_ns = wall_clock_ns();
  if (const int error = replace_file(path_, profile_text(Recorder::instance(), header_))) {
    return start_problem_ = describe(path_, error);
  }
  // The host program's signals are not for this thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([this] { run(); }).detach();
  } catch (const std::system_error& error) {
    start_problem_ = fmt::format("a thread cannot be started: {}", error.code().message());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!start_problem_) {
    pthread_atfork(nullptr, nullptr, [] {
      Recorder::instance().stop();
      ProfileWriter::instance().stop();
    });
  }
  return start_problem_;
}

void ProfileWriter::run() noexcept {
  pthread_setname_np(pthread_self(), "vernier-profile");
  run_on_any_cpu();
  while (true) {
    std::this_thread::sleep_for(kInterval);
    guard([this] {
      const std::lock_guard lock(mutex_);
      write_if_new();
    });
  }
}

void ProfileWriter::write_if_new() {
  Recorder& recorder = Recorder::instance();
  const std::uint64_t events = events_counted(recorder);
  if (events == written_events_) return;
  header_.written_ns = wall_clock_ns();
  if (events != counted_events_) header_.last_counted_ns = header_.written_ns;
  counted_events_ = events;
  const int error = replace_file(path_, profile_text(recorder, header_));
  write_problem_.reset();
  if (error == 0) {
    written_events_ = events;
  } else {
    write_problem_ = describe(path_, error);
  }
}

std::optional<std::string> ProfileWriter::write() {
  if (stopped_.load(std::memory_order_relaxed)) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (started_ && !start_problem_) write_if_new();
  return write_problem_;
}

}  // namespace vernier
