// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/unique_id.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <random>

#include "tests/fake_machine/environment.hpp"
#include "tests/fake_machine/nccl/noise.hpp"

namespace vernier::fake_machine {
namespace {

struct Content {
  char magic[8];
  std::uint64_t name[2];
  std::uint64_t seed;
};
constexpr char kMagic[8] = {'f', 'a', 'k', 'e', 'n', 'c', 'c', 'l'};

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// How many ids were made with this file before: a byte each. So that the launches of one
// calibration differ although they share a seed.
std::uint64_t count_in(const std::string& path) {
  if (path.empty()) return 0;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return 0;
  struct stat status {};
  const bool counted = write(fd, "x", 1) == 1 && fstat(fd, &status) == 0;
  close(fd);
  return counted ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace

UniqueId make_unique_id() {
  const std::string seed = env_text("FAKE_NCCL_SEED");
  Content content{};
  std::memcpy(content.magic, kMagic, sizeof kMagic);
  for (std::uint64_t& word : content.name) word = random_number();
  content.seed = seed.empty() ? random_number()
                              : mix(std::strtoull(seed.c_str(), nullptr, 10),
                                    count_in(env_text("FAKE_NCCL_COUNT_FILE")));
  UniqueId id{};
  std::memcpy(id.bytes.data(), &content, sizeof content);
  return id;
}

std::optional<IdContent> read_unique_id(const UniqueId& id) {
  Content content{};
  std::memcpy(&content, id.bytes.data(), sizeof content);
  if (std::memcmp(content.magic, kMagic, sizeof kMagic) != 0) return std::nullopt;
  char name[64];
  std::snprintf(name, sizeof name, "/fake_nccl_%016llx%016llx",
                static_cast<unsigned long long>(content.name[0]),
                static_cast<unsigned long long>(content.name[1]));
  return IdContent{name, content.seed};
}

}  // namespace vernier::fake_machine
