// SPDX-License-Identifier: Apache-2.0
//
// TCP between the tasks of a job: JSON documents, one a line. Both ends belong to one run of one
// executable, but anybody can connect to a port: what comes in is bounded and may be anything.
#pragma once

#include <sys/socket.h>

#include <string>

#include "tools/calibrate/launched_task.hpp"
#include "tools/common/output.hpp"

namespace vernier::calibrate {

// A file descriptor of its own.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// One end of a connection. Not for several threads.
class LineSocket {
 public:
  explicit LineSocket(Socket socket);

  // False: the other end is gone, or took nothing for 10 s.
  [[nodiscard]] bool send(const Json& document);

  // What has come so far; never waits. `gone`: the other end closed, died, was not heard of for
  // half a minute, or sent what is no JSON object of at most 1 MiB, 8 levels and 4096 keys.
  enum class Got { nothing, document, gone };
  [[nodiscard]] Got receive(Json& document);

  // Waits until something has come, at most so long.
  void wait(int limit_ms) const;

  [[nodiscard]] int fd() const { return socket_.fd(); }
  // The numeric address of this end, without the port.
  [[nodiscard]] std::string own_address() const;

 private:
  Socket socket_;
  std::string received_;
  bool gone_ = false;
};

// Listens where ranks are to meet: at an address of this host if `at` gives one by number, else at
// all. MachineError.
[[nodiscard]] Socket listen_at(const Rendezvous& at);

// Never waits; fd() is -1 where nobody connects.
[[nodiscard]] Socket accept_at(const Socket& listener);

// fd() is -1 where nobody answers within `limit_ms`, or, at once, where the port is closed or the
// name has no address, which may be so for a while; then `problem` says why.
[[nodiscard]] Socket connect_to(const Rendezvous& to, int limit_ms, std::string& problem);

// Without the port; of a socket for both families, IPv4 as such and not as ::ffff:10.0.0.1.
// MachineError where it is neither IPv4 nor IPv6.
[[nodiscard]] std::string numeric_host(const sockaddr_storage& address);

// "10.0.0.1:29517", "[fd00::1]:29517".
[[nodiscard]] std::string address_text(const std::string& host, int port);

}  // namespace vernier::calibrate
