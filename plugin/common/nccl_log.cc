// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/nccl_log.hpp"

#include <mutex>
#include <set>

#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

struct Causes {
  std::mutex mutex;
  std::set<std::string, std::less<>> given;

  // Whether this is the first time.
  bool add(std::string_view cause) {
    const std::lock_guard lock(mutex);
    return given.emplace(cause).second;
  }
};

}  // namespace

void NcclLog::info(std::string_view text) const {
  if (logger_ == nullptr) return;
  logger_(NCCL_LOG_INFO, NCCL_INIT | NCCL_TUNING, __FILE__, __LINE__, "VERNIER/%s: %.*s", plugin_,
          static_cast<int>(text.size()), text.data());
}

void NcclLog::warn_once(std::string_view cause, std::string_view text) const {
  static ProcessLifetime<Causes> causes;
  if (logger_ == nullptr || !causes->add(cause)) return;
  // NCCL prints the "file" of a WARN as the function it came from.
  logger_(NCCL_LOG_WARN, NCCL_INIT | NCCL_TUNING, "vernier", __LINE__, "VERNIER/%s: %.*s", plugin_,
          static_cast<int>(text.size()), text.data());
}

}  // namespace vernier
