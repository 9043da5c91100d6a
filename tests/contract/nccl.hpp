// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-like host as tests use it: an image, its communicators, its log.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/contract/nccl_like/api.h"

namespace vernier::contract {

// One rank's communicator; destroyed with the object.
class Comm {
 public:
  Comm() = default;
  Comm(const NcclLikeApi& api, NcclLikeComm* comm) : api_(&api), comm_(comm) {}
  Comm(Comm&& other) noexcept : api_(other.api_), comm_(std::exchange(other.comm_, nullptr)) {}
  Comm& operator=(Comm&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(comm_, other.comm_);
    return *this;
  }
  ~Comm() {
    if (comm_ != nullptr) api_->destroy(comm_);
  }

  // False when NCCL refused to create it.
  explicit operator bool() const { return comm_ != nullptr; }

  [[nodiscard]] NcclLikeOutcome ask(const NcclLikeCall& call) const;
  [[nodiscard]] NcclLikeCommFacts facts() const;

 private:
  const NcclLikeApi* api_ = nullptr;
  NcclLikeComm* comm_ = nullptr;
};

struct LogLine {
  int level;
  unsigned long flags;
  std::string text;
  bool truncated;
};

// One mapped image of libnccl_like.so. Opened RTLD_LOCAL, as Python opens libnccl.so.2.
class Nccl {
 public:
  explicit Nccl(const char* path);

  // The same file at two paths: two NCCLs in one process.
  static Nccl& first();
  static Nccl& second();
  // An image that exports no ncclGetVersion, as a statically linked NCCL. It depends on first().
  static Nccl& without_version();

  [[nodiscard]] const NcclLikeApi& api() const { return *api_; }
  void use_release(int code) const;
  void use_library_dir(const std::string& dir) const { api_->set_library_dir(dir.c_str()); }

  [[nodiscard]] Comm create(const NcclLikeShape& shape) const;
  // All ranks, a thread each. Empty when one of them was refused.
  [[nodiscard]] std::vector<Comm> create_all(const NcclLikeShape& shape) const;

  [[nodiscard]] std::vector<LogLine> log() const;
  [[nodiscard]] NcclLikeLoads loads() const;

 private:
  const NcclLikeApi* api_;
};

// A communicator on machines with 32 channels, NVLS and no CollNet.
[[nodiscard]] NcclLikeShape shape_of(int ranks, int nodes);

// One collective of `nbytes` per rank in bf16, as a model calls it: sent for allgather, received
// for reducescatter.
[[nodiscard]] NcclLikeCall call_of(ncclFunc_t func, std::size_t nbytes);

}  // namespace vernier::contract
