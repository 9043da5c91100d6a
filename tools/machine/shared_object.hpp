// SPDX-License-Identifier: Apache-2.0
//
// What an ELF file says about itself, read without loading it: opening a plugin would run its
// constructors, and a file from a broken installation may be anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/machine/byte_source.hpp"
#include "tools/machine/reading.hpp"

namespace vernier::machine {

struct SharedObject {
  std::vector<std::string> nccl_symbols;  // defined dynamic symbols that begin with nccl; sorted
  std::string nccl_version;               // from its text "NCCL version 2.28.9+cuda13.0"; or empty
  // Whole strings of the form NCCL_* in its constants, sorted: every variable that an NCCL reads
  // is among them.
  std::vector<std::string> nccl_words;
  bool operator==(const SharedObject&) const = default;
};

// 64-bit little-endian ELF. Unreadable, with the reason, for anything else, truncated files
// included. Time and memory are bounded whatever it holds.
[[nodiscard]] Reading<SharedObject> read_shared_object(const ByteSource& file);

}  // namespace vernier::machine
