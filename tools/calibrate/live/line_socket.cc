// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/line_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "tools/calibrate/machine_error.hpp"
#include "tools/common/json_input.hpp"
#include "tools/common/json_members.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;  // an inline policy has 96 KiB
constexpr JsonBounds kBounds{8, 4096};                       // a start has 3 levels
constexpr int kSendLimitS = 10;
// A host that lost its power closes no connection: it is asked from time to time.
constexpr int kIdleS = 15;
constexpr int kProbeS = 5;
constexpr int kProbes = 3;

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

// Null where the name cannot be resolved; then `problem` says why.
Addresses resolve(const Rendezvous& where, int flags, std::string& problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(where.port);
  const char* const host = where.host.empty() ? nullptr : where.host.c_str();
  const int error = getaddrinfo(host, port.c_str(), &hints, &found);
  if (error != 0) problem = fmt::format("{}: {}", where.host, gai_strerror(error));
  return {error == 0 ? found : nullptr, [](addrinfo* list) {
            if (list != nullptr) freeaddrinfo(list);
          }};
}

void set_option(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

void keep_alive(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kIdleS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kProbeS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000 * (kIdleS + kProbes * kProbeS));
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

// Whoever connects to a closed port of its own host again and again is given, one day, that very
// port to connect from, and TCP lets it talk to itself.
bool is_its_own_peer(int fd) {
  sockaddr_storage own{};
  sockaddr_storage peer{};
  socklen_t own_length = sizeof own;
  socklen_t peer_length = sizeof peer;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
         getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) == 0 &&
         own_length == peer_length && std::memcmp(&own, &peer, own_length) == 0;
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

LineSocket::LineSocket(Socket socket) : socket_(std::move(socket)) {
  keep_alive(fd());
  const timeval limit{kSendLimitS, 0};
  setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool LineSocket::send(const Json& document) {
  const std::string line = document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::size_t sent = 0;
  while (sent < line.size() && !gone_) {
    const ssize_t wrote = ::send(fd(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) gone_ = true;
    if (wrote > 0) sent += static_cast<std::size_t>(wrote);
  }
  return !gone_;
}

LineSocket::Got LineSocket::receive(Json& document) {
  while (!gone_) {
    const std::size_t end = received_.find('\n');
    if (end != std::string::npos) {
      try {
        document = parse_json_bounded(std::string_view(received_).substr(0, end), kBounds);
        gone_ = !document.is_object();
      } catch (const Malformed&) {
        gone_ = true;
      }
      received_.erase(0, end + 1);
      return gone_ ? Got::gone : Got::document;
    }
    std::array<char, 4096> buffer{};
    const ssize_t got = recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Got::nothing;
    gone_ = got <= 0 || received_.size() > kMaxLineBytes;
    if (got > 0) received_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return Got::gone;
}

void LineSocket::wait(int limit_ms) const {
  pollfd waiting{fd(), POLLIN, 0};
  poll(&waiting, 1, limit_ms);
}

std::string LineSocket::own_address() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw MachineError(fmt::format("no address: {}", std::strerror(errno)));
  }
  return numeric_host(address);
}

std::string numeric_host(const sockaddr_storage& address) {
  sockaddr_storage shown = address;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (address.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], sizeof v4.sin_addr);
    std::memcpy(&shown, &v4, sizeof v4);
  }
  std::array<char, NI_MAXHOST> host{};
  const int error = getnameinfo(reinterpret_cast<const sockaddr*>(&shown), sizeof shown,
                                host.data(), host.size(), nullptr, 0, NI_NUMERICHOST);
  if (error != 0) throw MachineError(fmt::format("no address: {}", gai_strerror(error)));
  return host.data();
}

Socket listen_at(const Rendezvous& at) {
  std::string problem;
  Addresses found = resolve(at, AI_NUMERICHOST, problem);
  if (!found) {
    // A name: it may lead to 127.0.1.1 on its own host, where nobody else could connect.
    const Addresses named = resolve(at, 0, problem);
    if (!named) throw MachineError(problem);
    const Rendezvous all{named->ai_family == AF_INET ? "0.0.0.0" : "::", at.port};
    found = resolve(all, AI_NUMERICHOST, problem);
  }
  Socket listener(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Not SO_REUSEPORT: NCCL sets that, and would share the port with whoever does.
  set_option(listener.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(listener.fd(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(listener.fd(), SOMAXCONN) != 0) {
    throw MachineError(fmt::format(
        "rank 0 cannot listen at {}: {}{}", address_text(at.host, at.port), std::strerror(errno),
        errno == EADDRINUSE ? "; name another port with --rendezvous" : ""));
  }
  return listener;
}

Socket accept_at(const Socket& listener) {
  return Socket(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
}

Socket connect_to(const Rendezvous& to, int limit_ms, std::string& problem) {
  const Addresses found = resolve(to, 0, problem);
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    Socket tried(socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int error = 0;
    if (tried.fd() < 0 || connect(tried.fd(), at->ai_addr, at->ai_addrlen) != 0) error = errno;
    if (error == EINPROGRESS) {
      pollfd waiting{tried.fd(), POLLOUT, 0};
      socklen_t length = sizeof error;
      if (poll(&waiting, 1, limit_ms) <= 0) {
        error = ETIMEDOUT;
      } else if (getsockopt(tried.fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        error = errno;
      }
    }
    if (error == 0 && is_its_own_peer(tried.fd())) error = ECONNREFUSED;
    if (error != 0) {
      problem = std::strerror(error);
      continue;
    }
    // From here on sending waits, with a limit of its own.
    fcntl(tried.fd(), F_SETFL, fcntl(tried.fd(), F_GETFL) & ~O_NONBLOCK);
    return tried;
  }
  return Socket();
}

std::string address_text(const std::string& host, int port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

}  // namespace vernier::calibrate
