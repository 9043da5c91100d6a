// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/comm_id.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tests/fake_machine/environment.hpp"

namespace vernier::fake_machine {
namespace {

constexpr int kRetryUs = 20'000;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in parse(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in parsed{};
  parsed.sin_family = AF_INET;
  errno = EINVAL;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr) != 1) {
    fail("NCCL_COMM_ID=" + address);
  }
  parsed.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  return parsed;
}

int make_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

void give_to_all(const sockaddr_in& at, int others, const UniqueId& id) {
  const int listener = make_socket();
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);  // as NCCL does it
  if (bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      listen(listener, SOMAXCONN) != 0) {
    fail("bind of NCCL_COMM_ID");
  }
  for (int i = 0; i < others; ++i) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 || send(fd, &id, sizeof id, MSG_NOSIGNAL) != sizeof id) fail("NCCL_COMM_ID");
    close(fd);
  }
  close(listener);
}

UniqueId take_from_rank_0(const sockaddr_in& at) {
  while (true) {
    const int fd = make_socket();
    UniqueId id{};
    const bool got = connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
                     recv(fd, &id, sizeof id, MSG_WAITALL) == sizeof id;
    close(fd);
    if (got) return id;
    usleep(kRetryUs);
  }
}

}  // namespace

std::string comm_id_address() { return env_text("NCCL_COMM_ID"); }

UniqueId meet_at(const std::string& address, int ranks, int rank, const UniqueId& own) {
  const sockaddr_in at = parse(address);
  if (rank != 0) return take_from_rank_0(at);
  give_to_all(at, ranks - 1, own);
  return own;
}

}  // namespace vernier::fake_machine
