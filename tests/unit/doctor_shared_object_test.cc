// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "tools/common/input.hpp"
#include "tools/machine/loader_cache.hpp"
#include "tools/machine/shared_object.hpp"

namespace vernier::machine {
namespace {

std::string stub() { return read_input(STUB_NCCL, 64u << 20).text; }

// The first bytes of a file; from `cut_at` on it is cut off while it is read.
class Memory final : public ByteSource {
 public:
  Memory(const std::string& file, std::size_t nbytes, std::size_t cut_at)
      : file_(file), nbytes_(nbytes), cut_at_(cut_at) {}
  std::uint64_t nbytes() const override { return nbytes_; }
  bool read(std::uint64_t offset, std::span<std::byte> into) const override {
    if (offset + into.size() > std::min(nbytes_, cut_at_)) return false;
    if (!into.empty()) std::memcpy(into.data(), file_.data() + offset, into.size());
    return true;
  }

 private:
  const std::string& file_;
  std::size_t nbytes_;
  std::size_t cut_at_;
};

Reading<SharedObject> read(const std::string& file, std::size_t nbytes,
                           std::size_t cut_at = std::string::npos) {
  return read_shared_object(Memory(file, nbytes, cut_at));
}

TEST(SharedObject, TellsSymbolsVersionAndWordsWithoutLoading) {
  const std::string file = stub();
  const auto object = read(file, file.size());
  ASSERT_TRUE(object.present()) << object.why;
  EXPECT_EQ(object.value.nccl_symbols,
            (std::vector<std::string>{"ncclAllReduce", "ncclTunerPlugin_v4"}));
  EXPECT_EQ(object.value.nccl_version, "2.27.3");
  EXPECT_EQ(object.value.nccl_words, (std::vector<std::string>{"NCCL_ALGO", "NCCL_IB_HCA"}));
}

TEST(SharedObject, SaysThatATruncatedFileIsUnreadable) {
  const std::string file = stub();
  ASSERT_GT(file.size(), 4096u);
  for (std::size_t nbytes = 0; nbytes < file.size(); nbytes += nbytes < 256 ? 1 : 61) {
    const auto object = read(file, nbytes);
    EXPECT_TRUE(object.is_unreadable()) << nbytes;
    EXPECT_FALSE(object.why.empty());
  }
}

// Every byte of the header and of the section table, which lead everywhere else.
TEST(SharedObject, SurvivesEveryFlippedByteOfItsTables) {
  const std::string file = stub();
  std::uint64_t table = 0;
  std::memcpy(&table, file.data() + 40, sizeof table);  // e_shoff
  int refused = 0;
  for (std::size_t at = 0; at < file.size(); at = at == 63 ? table : at + 1) {
    for (const int mask : {0xff, 0x80, 0x01}) {
      std::string hostile = file;
      hostile[at] = static_cast<char>(hostile[at] ^ mask);
      refused += read(hostile, hostile.size()).is_unreadable() ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(SharedObject, RefusesOtherFiles) {
  EXPECT_EQ(read("#!/bin/sh\n", 10).why, "not an ELF file");
  std::string other = stub();
  other[4] = 1;  // 32 bit
  EXPECT_EQ(read(other, other.size()).why, "not a 64-bit little-endian ELF file");
}

// What a file of `sections` holds: a header, the table of sections, then their bytes.
struct Section {
  std::uint32_t type;
  std::string body;
  std::uint32_t link = 0;
  std::string name = {};
};
std::string elf_of(std::vector<Section> sections) {
  std::string names(1, '\0');
  sections.push_back({SHT_STRTAB, {}});
  std::vector<Elf64_Shdr> table(sections.size());
  for (std::size_t i = 0; i < sections.size(); ++i) {
    table[i].sh_name = static_cast<Elf64_Word>(names.size());
    names += sections[i].name + '\0';
  }
  sections.back().body = names;
  std::string bodies;
  const std::size_t begin = sizeof(Elf64_Ehdr) + table.size() * sizeof(Elf64_Shdr);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    table[i].sh_type = sections[i].type;
    table[i].sh_link = sections[i].link;
    table[i].sh_offset = begin + bodies.size();
    table[i].sh_size = sections[i].body.size();
    bodies += sections[i].body;
  }
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_shoff = sizeof header;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(table.size());
  header.e_shstrndx = static_cast<Elf64_Half>(table.size() - 1);
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
         std::string(reinterpret_cast<const char*>(table.data()),
                     table.size() * sizeof(Elf64_Shdr)) +
         bodies;
}

// `count` symbols whose names begin at `offset` of the strings.
std::string symbols(std::size_t count, std::uint32_t offset) {
  Elf64_Sym symbol{};
  symbol.st_name = offset;
  symbol.st_shndx = 1;
  std::string all;
  for (std::size_t i = 0; i < count; ++i) {
    all.append(reinterpret_cast<const char*>(&symbol), sizeof symbol);
  }
  return all;
}

// Searched to its end for each symbol it would take minutes: the test would time out.
TEST(SharedObject, DoesNotSearchALongStringForEachSymbol) {
  const std::string file =
      elf_of({{SHT_DYNSYM, symbols(1u << 20, 0), 1}, {SHT_STRTAB, std::string(32u << 20, 'n')}});
  const auto object = read(file, file.size());
  ASSERT_TRUE(object.present()) << object.why;
  EXPECT_TRUE(object.value.nccl_symbols.empty());
}

// Somebody installs another version: it has the size that it had when it was opened, and then not.
TEST(SharedObject, SaysThatAFileWhichIsCutMeanwhileIsUnreadable) {
  const std::string file = elf_of({{SHT_DYNSYM, symbols(1, 0), 1},
                                   {SHT_STRTAB, std::string("ncclHere\0", 9)},
                                   {SHT_PROGBITS, std::string("\0NCCL_ALGO\0", 11), 0, ".rodata"}});
  ASSERT_EQ(read(file, file.size()).value.nccl_words, std::vector<std::string>{"NCCL_ALGO"});
  for (std::size_t cut_at = 0; cut_at < file.size(); ++cut_at) {
    EXPECT_TRUE(read(file, file.size(), cut_at).is_unreadable()) << cut_at;
  }
}

TEST(SharedObject, ReadsOneTableOfSymbols) {
  const std::string file = elf_of({{SHT_DYNSYM, symbols(1, 0), 2},
                                   {SHT_DYNSYM, symbols(1, 9), 2},
                                   {SHT_STRTAB, std::string("ncclHere\0ncclElsewhere\0", 23)}});
  EXPECT_EQ(read(file, file.size()).value.nccl_symbols, std::vector<std::string>{"ncclHere"});
}

TEST(SharedObject, KeepsABoundedNumberOfWords) {
  std::string words(1, '\0');
  for (int i = 0; i < 200'000; ++i) words += "NCCL_X" + std::to_string(i) + '\0';
  const std::string file = elf_of({{SHT_DYNSYM, symbols(1, 0), 1},
                                   {SHT_STRTAB, std::string("ncclHere\0", 9)},
                                   {SHT_PROGBITS, words, 0, ".rodata"}});
  const auto object = read(file, file.size());
  ASSERT_TRUE(object.present()) << object.why;
  EXPECT_GT(object.value.nccl_words.size(), 1000u);
  EXPECT_LT(object.value.nccl_words.size(), 20'000u);
}

std::string number(std::uint32_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string cache_with(std::uint32_t flags) {
  std::string strings = std::string("libnccl.so.2\0/opt/libnccl.so.2\0", 31);
  const std::uint32_t begin = 48 + 24;
  std::string cache = "glibc-ld.so.cache1.1" + number(1) + std::string(24, '\0');
  cache += number(flags) + number(begin) + number(begin + 13) + std::string(12, '\0');
  return cache + strings;
}

#if defined(__aarch64__)
constexpr std::uint32_t kThisMachine = 0x0a03;
#else
constexpr std::uint32_t kThisMachine = 0x0303;
#endif

TEST(LoaderCache, FindsAFileOfThisKindOfMachine) {
  EXPECT_EQ(find_in_loader_cache(cache_with(kThisMachine), "libnccl.so.2"), "/opt/libnccl.so.2");
  EXPECT_EQ(find_in_loader_cache("older table" + cache_with(kThisMachine), "libnccl.so.2"),
            "/opt/libnccl.so.2");
  EXPECT_EQ(find_in_loader_cache(cache_with(0x0003), "libnccl.so.2"), std::nullopt);  // 32 bit
  EXPECT_EQ(find_in_loader_cache(cache_with(kThisMachine), "libnccl.so"), std::nullopt);
}

TEST(LoaderCache, FindsNothingInATruncatedOne) {
  const std::string cache = cache_with(kThisMachine);
  for (std::size_t nbytes = 0; nbytes < cache.size() - 1; ++nbytes) {
    const auto copy = std::make_unique<char[]>(nbytes);  // a sanitizer sees a byte too many
    std::memcpy(copy.get(), cache.data(), nbytes);
    EXPECT_EQ(find_in_loader_cache({copy.get(), nbytes}, "libnccl.so.2"), std::nullopt);
  }
}

TEST(LoaderCache, FindsLibcInTheRealOne) {
  const Input cache = read_input("/etc/ld.so.cache", 64u << 20);
  if (!cache.problem.empty()) GTEST_SKIP() << "no cache on this machine";
  const auto libc = find_in_loader_cache(cache.text, "libc.so.6");
  ASSERT_TRUE(libc.has_value());
  EXPECT_NE(libc->find("/libc.so.6"), std::string::npos);
}

}  // namespace
}  // namespace vernier::machine
