// SPDX-License-Identifier: Apache-2.0
//
// The format, of which only this is used (little-endian, offsets from the header's begin; older
// caches have another table in front of it):
//
//     0  "glibc-ld.so.cache1.1"    20  number of entries    24..47  not used here
//     48 entries of 24 bytes: flags, offset of the name, offset of the file, 12 bytes not used
#include "tools/machine/loader_cache.hpp"

#include <cstdint>
#include <cstring>

namespace vernier::machine {
namespace {

constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kEntryBytes = 24;
#if defined(__aarch64__)
constexpr std::uint32_t kFlags = 0x0a03;  // FLAG_AARCH64_LIB64 | FLAG_ELF_LIBC6
#else
constexpr std::uint32_t kFlags = 0x0303;  // FLAG_X8664_LIB64 | FLAG_ELF_LIBC6
#endif

std::uint32_t number_at(std::string_view bytes, std::size_t offset) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

std::string_view string_at(std::string_view bytes, std::size_t offset) {
  if (offset >= bytes.size()) return {};
  const std::string_view rest = bytes.substr(offset);
  const std::size_t end = rest.find('\0');
  return end == rest.npos ? std::string_view{} : rest.substr(0, end);
}

}  // namespace

std::optional<std::string> find_in_loader_cache(std::string_view cache, std::string_view name) {
  const std::size_t begin = cache.find(kMagic);
  if (begin == cache.npos) return std::nullopt;
  cache.remove_prefix(begin);
  if (cache.size() < kHeaderBytes) return std::nullopt;
  const std::size_t count = number_at(cache, kMagic.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = kHeaderBytes + i * kEntryBytes;
    if (at + kEntryBytes > cache.size()) return std::nullopt;
    if (number_at(cache, at) != kFlags) continue;
    if (string_at(cache, number_at(cache, at + 4)) != name) continue;
    const std::string_view file = string_at(cache, number_at(cache, at + 8));
    if (!file.empty()) return std::string(file);
  }
  return std::nullopt;
}

}  // namespace vernier::machine
