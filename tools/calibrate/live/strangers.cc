// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/strangers.hpp"

#include <cerrno>
#include <utility>

namespace vernier::calibrate {
namespace {

constexpr std::size_t kMost = 64;
constexpr double kSilentS = 10;

}  // namespace

bool Strangers::let_in(const Socket& listener, double now_s) {
  while (all_.size() < kMost) {
    Socket next = accept_at(listener);
    // Else they are out of files or memory; the connection still waits.
    if (next.fd() < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
    all_.push_back({LineSocket(std::move(next)), now_s});
  }
  return false;
}

std::vector<Member> Strangers::take_speakers(double now_s) {
  std::vector<Member> speakers;
  for (auto stranger = all_.begin(); stranger != all_.end();) {
    Json hello;
    const LineSocket::Got got = stranger->line.receive(hello);
    if (got == LineSocket::Got::nothing && now_s - stranger->since_s < kSilentS) {
      ++stranger;
      continue;
    }
    if (got == LineSocket::Got::document) {
      speakers.push_back({std::move(hello), std::move(stranger->line)});
    }
    stranger = all_.erase(stranger);
  }
  return speakers;
}

}  // namespace vernier::calibrate
