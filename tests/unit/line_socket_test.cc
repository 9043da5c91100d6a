// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/line_socket.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
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

std::string numeric(const char* address) {
  sockaddr_storage storage{};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  storage.ss_family = AF_INET6;
  if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
    storage.ss_family = AF_INET;
    inet_pton(AF_INET, address, &v4.sin_addr);
  }
  return numeric_host(storage);
}

TEST(LineSocket, GivesAnIpv4AddressAsSuch) {
  EXPECT_EQ(numeric("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(numeric("::ffff:10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(numeric("::ffff:127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(numeric("::1"), "::1");
  EXPECT_EQ(numeric("fd00::1"), "fd00::1");
}

TEST(Connecting, SaysWhyItFailsAndMayBeTriedAgain) {
  std::string problem;
  EXPECT_EQ(connect_to({"no..name", 9}, 1000, problem).fd(), -1);
  EXPECT_EQ(problem.substr(0, 10), "no..name: ") << "a name that has no address yet";
  EXPECT_EQ(connect_to({"127.0.0.1", 1}, 1000, problem).fd(), -1);
  EXPECT_EQ(problem, "Connection refused");
}

}  // namespace
}  // namespace vernier::calibrate
