// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/read_logs.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

namespace vernier::joblog {
namespace {

struct Closer {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

// Of a line that is too long one byte more than is allowed is kept: enough to tell.
void append(std::string& line, std::string_view piece) {
  const std::size_t room = JobLog::kMaxLineBytes + 1 - line.size();
  line.append(piece.substr(0, room));
}

}  // namespace

std::string read_log(const std::string& file, JobLog& log) {
  const std::unique_ptr<std::FILE, Closer> stream(file == "-" ? stdin
                                                              : std::fopen(file.c_str(), "rbe"));
  if (stream == nullptr) return std::strerror(errno);
  std::array<char, 65536> buffer;
  std::string line;
  errno = 0;
  while (const std::size_t length = std::fread(buffer.data(), 1, buffer.size(), stream.get())) {
    std::string_view rest(buffer.data(), length);
    for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
      append(line, rest.substr(0, end));
      log.add_line(line);
      line.clear();
      rest.remove_prefix(end + 1);
    }
    append(line, rest);
  }
  if (!line.empty()) log.add_line(line);
  return std::ferror(stream.get()) != 0 ? std::strerror(errno) : std::string();
}

}  // namespace vernier::joblog
