// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/wire.hpp"

#include <unistd.h>

#include <cerrno>

namespace vernier::calibrate {

WireConfiguration to_wire(const Configuration& configuration) {
  if (!configuration.choice) return {-1, -1, configuration.channels};
  return {static_cast<std::int32_t>(configuration.choice->algorithm),
          static_cast<std::int32_t>(configuration.choice->protocol), configuration.channels};
}

Configuration from_wire(const WireConfiguration& wire) {
  Configuration configuration{std::nullopt, wire.channels};
  if (wire.algorithm >= 0) {
    configuration.choice =
        Choice{static_cast<Algorithm>(wire.algorithm), static_cast<Protocol>(wire.protocol)};
  }
  return configuration;
}

bool write_all(int fd, const void* data, std::size_t nbytes) {
  const char* at = static_cast<const char*>(data);
  while (nbytes > 0) {
    const ssize_t wrote = write(fd, at, nbytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    at += wrote;
    nbytes -= static_cast<std::size_t>(wrote);
  }
  return true;
}

bool read_all(int fd, void* data, std::size_t nbytes) {
  char* at = static_cast<char*>(data);
  while (nbytes > 0) {
    const ssize_t got = read(fd, at, nbytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    nbytes -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace vernier::calibrate
