// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace vernier::contract {
namespace {

[[noreturn]] void give_up(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  std::exit(3);
}

}  // namespace

NcclLikeOutcome Comm::ask(const NcclLikeCall& call) const {
  NcclLikeOutcome outcome;
  api_->ask(comm_, &call, &outcome);
  return outcome;
}

NcclLikeCommFacts Comm::facts() const {
  NcclLikeCommFacts facts{};
  api_->facts(comm_, &facts);
  return facts;
}

Nccl::Nccl(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) give_up(path, dlerror());
  const auto get_api = reinterpret_cast<decltype(&nccl_like_api)>(dlsym(library, "nccl_like_api"));
  if (get_api == nullptr) give_up(path, dlerror());
  api_ = get_api();
}

Nccl& Nccl::first() {
  static Nccl one(NCCL_LIKE_FIRST);
  return one;
}

Nccl& Nccl::second() {
  static Nccl one(NCCL_LIKE_SECOND);
  return one;
}

Nccl& Nccl::without_version() {
  static Nccl one(NCCL_LIKE_WITHOUT_VERSION);
  return one;
}

void Nccl::use_release(int code) const {
  if (api_->set_release(code) != ncclSuccess) {
    give_up("set_release", "no such release, or communicators exist");
  }
}

Comm Nccl::create(const NcclLikeShape& shape) const {
  NcclLikeComm* comm = nullptr;
  static_cast<void>(api_->create(&shape, &comm));  // not success: null
  return {*api_, comm};
}

std::vector<Comm> Nccl::create_all(const NcclLikeShape& shape) const {
  std::vector<NcclLikeComm*> made(static_cast<std::size_t>(shape.ranks), nullptr);
  const ncclResult_t result = api_->create_all(&shape, made.data());
  std::vector<Comm> comms;
  for (NcclLikeComm* const comm : made) comms.emplace_back(*api_, comm);
  if (result != ncclSuccess) comms.clear();
  return comms;
}

std::vector<LogLine> Nccl::log() const {
  std::vector<LogLine> lines;
  const int count = api_->count_lines();
  for (int i = 0; i < count; ++i) {
    NcclLikeLine line{};
    api_->line(i, &line);
    lines.push_back({line.level, line.flags, line.text, line.truncated != 0});
  }
  return lines;
}

NcclLikeLoads Nccl::loads() const {
  NcclLikeLoads loads{};
  api_->loads(&loads);
  return loads;
}

NcclLikeShape shape_of(int ranks, int nodes) {
  NcclLikeShape shape{};
  shape.ranks = ranks;
  shape.nodes = nodes;
  // Ranks of tests that run beside one another must not meet.
  static std::atomic<std::uint64_t> communicators{0};
  shape.comm_id = (static_cast<std::uint64_t>(getpid()) << 32) + ++communicators;
  shape.channels = 32;
  shape.nvls_channels = 16;
  return shape;
}

NcclLikeCall call_of(ncclFunc_t func, std::size_t nbytes) {
  NcclLikeCall call{};
  call.func = func;
  call.count = nbytes / 2;
  call.element_bytes = 2;
  call.ops = 1;
  call.symmetric_us = -1;
  return call;
}

}  // namespace vernier::contract
