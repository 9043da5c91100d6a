// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>
#include <thread>

namespace vernier {

using std::chrono::steady_clock;

void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                Deadline deadline) noexcept {
  const auto left =
      std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - steady_clock::now());
  if (left.count() <= 0) return;
  const timespec relative{static_cast<time_t>(left.count() / 1'000'000'000),
                          static_cast<long>(left.count() % 1'000'000'000)};
  if (syscall(SYS_futex, &word, FUTEX_WAIT, value, &relative, nullptr, 0) != 0 && errno != EAGAIN &&
      errno != EINTR && errno != ETIMEDOUT) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // somebody forbids futexes
  }
}

void wake_all(std::atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace vernier
