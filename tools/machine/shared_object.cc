// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/shared_object.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace vernier::machine {
namespace {

using Bytes = std::span<const std::byte>;
using Body = std::optional<std::vector<std::byte>>;

// More than any libnccl has; a file that claims more is not one.
constexpr std::size_t kMaxSections = 4096;
constexpr std::size_t kMaxSymbols = 1u << 20;
constexpr std::size_t kMaxSectionBytes = 64u << 20;
constexpr std::size_t kMaxConstantBytes = 64u << 20;  // of all sections
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxWords = 8192;  // NCCL 2.30 has some 300

Body slice(const ByteSource& file, std::uint64_t offset, std::uint64_t nbytes) {
  if (offset > file.nbytes() || nbytes > file.nbytes() - offset) return std::nullopt;
  if (nbytes > kMaxSectionBytes) return std::nullopt;
  std::vector<std::byte> bytes(nbytes);
  if (!file.read(offset, bytes)) return std::nullopt;
  return bytes;
}

// A copy: nothing in a file is aligned.
template <typename T>
std::optional<T> record(Bytes bytes, std::uint64_t index) {
  if (index >= bytes.size() / sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The string that begins at `offset`, if it also ends soon: many may begin in one that is long.
std::string_view string_at(Bytes table, std::uint64_t offset) {
  if (offset >= table.size()) return {};
  const std::string_view rest = as_text(table).substr(offset, kMaxNameBytes);
  const std::size_t end = rest.find('\0');
  return end == rest.npos ? std::string_view{} : rest.substr(0, end);
}

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

std::vector<std::string> symbols_of(Bytes symbols, Bytes strings) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kMaxSymbols; ++i) {
    const auto symbol = record<Elf64_Sym>(symbols, i);
    if (!symbol) break;
    if (symbol->st_shndx == SHN_UNDEF) continue;
    const std::string_view name = string_at(strings, symbol->st_name);
    if (name.starts_with("nccl")) names.emplace_back(name);
  }
  sort_unique(names);
  return names;
}

bool is_variable(std::string_view word) {
  return word.starts_with("NCCL_") && word.size() > 5 && word.size() < 64 &&
         word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == word.npos;
}

// The strings in the constants that matter.
void read_constants(std::string_view text, SharedObject& object) {
  constexpr std::string_view kPrefix = "NCCL";
  for (std::size_t at = text.find(kPrefix); at != text.npos; at = text.find(kPrefix, at + 1)) {
    if (object.nccl_words.size() >= kMaxWords) break;
    if (at > 0 && text[at - 1] != '\0') continue;
    const std::string_view word =
        text.substr(at, std::min<std::size_t>(text.size() - at, text.find('\0', at) - at));
    constexpr std::string_view kVersion = "NCCL version ";
    if (is_variable(word)) {
      object.nccl_words.emplace_back(word);
    } else if (word.starts_with(kVersion) && object.nccl_version.empty()) {
      // "NCCL version 2.28.9+cuda13.0"; a sibling goes on with "compiled with", and is a format
      // string in some releases.
      const std::string_view rest = word.substr(kVersion.size());
      const std::string_view version = rest.substr(0, rest.find_first_not_of("0123456789."));
      if (std::count(version.begin(), version.end(), '.') == 2 && version.back() != '.') {
        object.nccl_version = version;
      }
    }
  }
}

}  // namespace

Reading<SharedObject> read_shared_object(const ByteSource& file) {
  using Result = Reading<SharedObject>;
  const Body head = slice(file, 0, sizeof(Elf64_Ehdr));
  const auto header = head ? record<Elf64_Ehdr>(*head, 0) : std::nullopt;
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return Result::unreadable("not an ELF file");
  }
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_shentsize != sizeof(Elf64_Shdr)) {
    return Result::unreadable("not a 64-bit little-endian ELF file");
  }
  const std::size_t count = std::min<std::size_t>(header->e_shnum, kMaxSections);
  const Body table = slice(file, header->e_shoff, count * sizeof(Elf64_Shdr));
  if (count == 0 || !table) return Result::unreadable("a truncated ELF file");
  const auto body = [&](const Elf64_Shdr& section) {
    return slice(file, section.sh_offset, section.sh_size);
  };
  const auto names = record<Elf64_Shdr>(*table, header->e_shstrndx);
  const Body name_bytes = names ? body(*names) : std::nullopt;
  if (names && !name_bytes) return Result::unreadable("a truncated ELF file");
  SharedObject object;
  std::size_t constant_bytes = 0;
  bool has_symbols = false;
  for (std::size_t i = 0; i < count; ++i) {
    const Elf64_Shdr section = *record<Elf64_Shdr>(*table, i);
    if (section.sh_type == SHT_DYNSYM && !has_symbols) {  // an ELF file has one
      const auto strings = record<Elf64_Shdr>(*table, section.sh_link);
      const auto symbols = body(section);
      const auto string_bytes = strings ? body(*strings) : std::nullopt;
      if (!symbols || !string_bytes) return Result::unreadable("a truncated ELF file");
      object.nccl_symbols = symbols_of(*symbols, *string_bytes);
      has_symbols = true;
    } else if (section.sh_type == SHT_PROGBITS && name_bytes &&
               string_at(*name_bytes, section.sh_name).starts_with(".rodata") &&
               section.sh_size <= kMaxConstantBytes - constant_bytes) {
      constant_bytes += section.sh_size;
      const auto constants = body(section);
      if (!constants) return Result::unreadable("a truncated ELF file");
      read_constants(as_text(*constants), object);
    }
  }
  if (!has_symbols) return Result::unreadable("an ELF file without dynamic symbols");
  sort_unique(object.nccl_words);
  return Result::of(std::move(object));
}

}  // namespace vernier::machine
