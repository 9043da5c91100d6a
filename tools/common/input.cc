// SPDX-License-Identifier: Apache-2.0
#include "tools/common/input.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace vernier {
namespace {

struct Closer {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

}  // namespace

Input read_input(const std::string& file, std::size_t max_bytes) {
  const bool from_stdin = file == "-";
  Input input{from_stdin ? "<stdin>" : file, {}, {}};
  const std::unique_ptr<std::FILE, Closer> stream(from_stdin ? stdin
                                                             : std::fopen(file.c_str(), "rbe"));
  if (stream == nullptr) {
    input.problem = std::strerror(errno);
    return input;
  }
  errno = 0;
  // In pieces: the limit may be far above what files usually hold.
  std::array<char, 65536> piece;
  while (input.text.size() <= max_bytes) {
    const std::size_t room = std::min(piece.size(), max_bytes + 1 - input.text.size());
    const std::size_t length = std::fread(piece.data(), 1, room, stream.get());
    input.text.append(piece.data(), length);
    if (length < room) break;
  }
  // A directory opens, and fails only here.
  if (std::ferror(stream.get()) != 0) input.problem = std::strerror(errno);
  return input;
}

}  // namespace vernier
