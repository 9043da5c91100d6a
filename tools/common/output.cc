// SPDX-License-Identifier: Apache-2.0
#include "tools/common/output.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace vernier {
namespace {

// Errors stay in the stream's flag, which flush_results() reads.
void print_line(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fputc('\n', stream);
}

}  // namespace

void print_result(std::string_view text) { print_line(stdout, text); }

void print_talk(std::string_view text) { print_line(stderr, text); }

std::string printable(std::string_view text) {
  std::string out;
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // U+0080 to U+009F, in UTF-8 after C2, are controls too.
    const bool control = byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0);
    if (control) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
    before = byte;
  }
  return out;
}

void print_json(const Json& document) {
  print_result(document.dump(-1, ' ', false, Json::error_handler_t::replace));
}

bool flush_results() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

}  // namespace vernier
