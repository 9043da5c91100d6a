// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/terminal_progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>

#include "tools/common/output.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kTerminalEveryS = 0.2;
constexpr double kLogEveryS = 15;

std::atomic<bool> stop_asked{false};

void ask_to_stop(int signal) {
  stop_asked = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

TerminalProgress::TerminalProgress(bool quiet)
    : quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1),
      started_(std::chrono::steady_clock::now()) {
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  std::signal(SIGPIPE, SIG_IGN);  // a rank that is gone is told by write
}

TerminalProgress::~TerminalProgress() {
  clear();
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

double TerminalProgress::elapsed_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

void TerminalProgress::remaining(double expected_s) { remaining_s_ = expected_s; }

void TerminalProgress::done(double expected_s) {
  done_s_ += expected_s;
  remaining_s_ = std::max(0.0, remaining_s_ - expected_s);
}

std::string TerminalProgress::time_left() const {
  // Expectations are corrected by how wrong they were so far, once there is something to go by.
  const double pace = done_s_ > 5 ? std::clamp(elapsed_s() / done_s_, 0.2, 5.0) : 1.0;
  const auto left_s = static_cast<long>(remaining_s_ * pace + 0.5);
  const double share = done_s_ + remaining_s_ > 0 ? done_s_ / (done_s_ + remaining_s_) : 0;
  return fmt::format("{:3.0f} %, about {}:{:02} left", 100 * share, left_s / 60, left_s % 60);
}

void TerminalProgress::show(const std::string& what) {
  if (quiet_) return;
  const double now_s = elapsed_s();
  if (now_s - shown_at_s_ < (terminal_ ? kTerminalEveryS : kLogEveryS)) return;
  shown_at_s_ = now_s;
  const std::string line = fmt::format("{}  {}", time_left(), what);
  if (!terminal_) return print_talk(line);
  std::fprintf(stderr, "\r%-*s", static_cast<int>(std::max(shown_width_, line.size())),
               line.c_str());
  std::fflush(stderr);
  shown_width_ = line.size();
}

void TerminalProgress::clear() {
  if (!terminal_ || shown_width_ == 0) return;
  std::fprintf(stderr, "\r%*s\r", static_cast<int>(shown_width_), "");
  shown_width_ = 0;
}

void TerminalProgress::note(const std::string& line) {
  clear();
  print_talk("vernier: " + line);
}

bool TerminalProgress::stopped() const { return stop_asked; }

}  // namespace vernier::calibrate
