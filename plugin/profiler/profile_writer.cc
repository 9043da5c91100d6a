// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/profile_writer.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>

#include "plugin/common/c_edge.hpp"
#include "plugin/common/futex.hpp"
#include "plugin/common/log_directory.hpp"
#include "plugin/common/process_lifetime.hpp"
#include "plugin/profiler/kernel_timer.hpp"
#include "plugin/profiler/sampler.hpp"

namespace vernier {
namespace {

constexpr std::chrono::milliseconds kReadInterval{100};
constexpr std::chrono::milliseconds kSampleInterval{10};  // a decode step
constexpr std::chrono::seconds kWriteInterval{1};
constexpr std::chrono::milliseconds kLongestFlush{500};

// A thread inherits the CPU to which NCCL or the launcher tied its maker, and would disturb it
// there. The kernel cuts the set down to what the process may use.
void run_on_any_cpu() {
  cpu_set_t all;
  std::memset(&all, 0xff, sizeof(all));
  pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
}

// The host program's signals are not for a thread that is started meanwhile.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

std::string describe(const std::string& path, int error) {
  return fmt::format("{}: {}", path, std::generic_category().message(error));
}

}  // namespace

ProfileWriter& ProfileWriter::instance() {
  static ProcessLifetime<ProfileWriter> writer;
  return *writer;
}

std::optional<std::string> ProfileWriter::start(const std::string& directory,
                                                const std::string& nccl, int profiler_abi) {
  if (stopped_.load(std::memory_order_relaxed)) {
    return "this is the child of a process that used NCCL";
  }
  const std::lock_guard lock(start_mutex_);
  if (!started_) {
    started_ = true;
    start_problem_ = "starting failed";  // what stands should memory run out
    start_problem_ = start_once(directory, nccl, profiler_abi);
  }
  return start_problem_;
}

std::optional<std::string> ProfileWriter::start_once(const std::string& directory,
                                                     const std::string& nccl, int profiler_abi) {
  path_ = log_path(directory, "profile");
  header_.nccl = nccl;
  header_.profiler_abi = profiler_abi;
  header_.mode = "counts";  // until timing has begun
  if (raw_bytes_ != 0) raw_.start(directory, raw_bytes_);
  header_.written_ns = wall_clock_ns();
  if (const int error = replace_file(path_, profile_text(Recorder::instance(), book_, header_))) {
    return describe(path_, error);
  }
  pthread_atfork(nullptr, nullptr, [] {
    Recorder::instance().stop();
    ProfileWriter::instance().stop();
  });
  std::atexit([] { ProfileWriter::instance().flush(); });
  const NoSignals none;  // the thread inherits it
  try {
    std::thread([this] { run(); }).detach();
  } catch (const std::system_error& error) {
    return fmt::format("a thread cannot be started: {}", error.code().message());
  }
  runs_.store(true, std::memory_order_release);
  return std::nullopt;
}

void ProfileWriter::run() noexcept {
  pthread_setname_np(pthread_self(), "vernier-profile");
  run_on_any_cpu();
  auto next_writing = std::chrono::steady_clock::now() + kWriteInterval;
  std::uint32_t done = 0;
  while (true) {
    const auto interval = Sampler::instance().every() == 0 ? kReadInterval : kSampleInterval;
    wait_while(wanted_, done, std::chrono::steady_clock::now() + interval);
    const std::uint32_t wanted = wanted_.load(std::memory_order_acquire);
    const auto now = std::chrono::steady_clock::now();
    guard([&] {
      read_times();
      if (wanted == done && now < next_writing) return;
      next_writing = now + kWriteInterval;
      write_if_new();
    });
    if (wanted == done) continue;
    done = wanted;
    written_.store(done, std::memory_order_release);
    wake_all(written_);
  }
}

void ProfileWriter::read_times() {
  Sampler& sampler = Sampler::instance();
  KernelTimer& kernels = KernelTimer::instance();
  sampler.read(book_);
  kernels.read(book_, raw_);
  if (const int error = raw_.write()) raw_error_ = error;
  header_.mode = kernels.enabled()      ? "full"
                 : sampler.every() == 0 ? "counts"
                                        : fmt::format("sampled:{}", sampler.every());
  header_.timer_tick_ns = sampler.every() == 0 ? 0 : sampler.timer_tick_ns();
  header_.no_slot = sampler.lost().no_slot.load(std::memory_order_relaxed);
  header_.several_calls = sampler.lost().several.load(std::memory_order_relaxed);
  header_.torn = sampler.lost().torn.load(std::memory_order_relaxed);
  header_.kernels = kernels.lost();
}

void ProfileWriter::write_if_new() {
  Recorder& recorder = Recorder::instance();
  const std::uint64_t events = events_counted(recorder) + book_.samples();
  if (events == written_events_) return;
  header_.written_ns = wall_clock_ns();
  if (events != counted_events_) header_.last_counted_ns = header_.written_ns;
  counted_events_ = events;
  const int error = replace_file(path_, profile_text(recorder, book_, header_));
  if (error == 0) written_events_ = events;
  const std::lock_guard lock(problem_mutex_);
  write_problem_.reset();
  if (raw_error_ != 0) write_problem_ = describe("kernels one by one: " + path_, raw_error_);
  if (error != 0) write_problem_ = describe(path_, error);
}

void ProfileWriter::keep_raw(std::uint64_t max_bytes) {
  const std::lock_guard lock(start_mutex_);
  raw_bytes_ = max_bytes;
}

void ProfileWriter::flush() noexcept {
  if (!runs_.load(std::memory_order_acquire) || stopped_.load(std::memory_order_relaxed)) return;
  const Deadline deadline = std::chrono::steady_clock::now() + kLongestFlush;
  const std::uint32_t mine = wanted_.fetch_add(1, std::memory_order_acq_rel) + 1;
  wake_all(wanted_);
  std::uint32_t written = written_.load(std::memory_order_acquire);
  // Numbers may wrap around.
  while (static_cast<std::int32_t>(written - mine) < 0 &&
         std::chrono::steady_clock::now() < deadline) {
    wait_while(written_, written, deadline);
    written = written_.load(std::memory_order_acquire);
  }
}

std::optional<std::string> ProfileWriter::problem() {
  const std::lock_guard lock(problem_mutex_);
  return write_problem_;
}

}  // namespace vernier
