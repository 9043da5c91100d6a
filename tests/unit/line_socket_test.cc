// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/line_socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <thread>

namespace vernier::calibrate {
namespace {

// What a task makes of a line from its peer: itself, or "gone".
std::string received(const std::string& line) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return "no sockets";
  LineSocket task{Socket(ends[0])};
  std::thread peer([socket = Socket(ends[1]), &line] {
    std::size_t sent = 0;
    while (sent < line.size()) {
      const ssize_t wrote = send(socket.fd(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) break;
      sent += static_cast<std::size_t>(wrote);
    }
  });
  Json document;
  LineSocket::Got got = LineSocket::Got::nothing;
  while (got == LineSocket::Got::nothing) {
    task.wait(1000);
    got = task.receive(document);
  }
  peer.join();
  return got == LineSocket::Got::document ? document.dump() : "gone";
}

TEST(LineSocket, TakesAnObjectAndNothingElse) {
  EXPECT_EQ(received("{\"end\":true}\n"), R"({"end":true})");
  EXPECT_EQ(received("[1]\n"), "gone");
  EXPECT_EQ(received("GET / HTTP/1.1\n"), "gone");
  EXPECT_EQ(received("{\"end\":true"), "gone");
}

TEST(LineSocket, BearsAPeerThatNestsWithoutEnd) {
  const std::string deep =
      "{\"a\":" + std::string(500'000, '[') + std::string(500'000, ']') + "}\n";
  EXPECT_EQ(received(deep), "gone");
}

}  // namespace
}  // namespace vernier::calibrate
