// SPDX-License-Identifier: Apache-2.0
//
// What libibverbs says of a machine's RDMA devices. Numbers are those of <infiniband/verbs.h>.
#pragma once

#include <map>
#include <string>

#include "tools/machine/reading.hpp"

namespace vernier::machine {

struct VerbsPort {
  int state;       // 1 down, 2 init, 3 armed, 4 active
  int phys_state;  // 5 is link up
  int link_layer;  // 1 InfiniBand, 2 Ethernet
  int active_mtu;  // 5 is 4096 bytes
  int gid_count;   // entries of the port's GID table
  bool operator==(const VerbsPort&) const = default;
};

struct VerbsDevice {
  std::string firmware;
  std::map<int, VerbsPort> ports;  // by number, from 1
  bool operator==(const VerbsDevice&) const = default;
};

// By name; unreadable where the device cannot be opened, as in a container without its file.
using VerbsAnswers = std::map<std::string, Reading<VerbsDevice>>;

}  // namespace vernier::machine
