// SPDX-License-Identifier: Apache-2.0
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

// From memory of exactly this size, so that a sanitizer sees a byte too many.
Reading<SharedObject> read(const std::string& file, std::size_t nbytes) {
  const auto copy = std::make_unique<std::byte[]>(nbytes);
  std::memcpy(copy.get(), file.data(), nbytes);
  return read_shared_object({copy.get(), nbytes});
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
