// SPDX-License-Identifier: Apache-2.0
//
// A static object that is never destroyed: other threads may still be inside NCCL while the process
// runs its exit handlers. The plugin stays mapped until the process ends (-z nodelete), so nothing
// is lost.
#pragma once

#include <new>

namespace vernier {

template <typename T>
class ProcessLifetime {
 public:
  ProcessLifetime() { new (storage_) T(); }
  ProcessLifetime(const ProcessLifetime&) = delete;
  ProcessLifetime& operator=(const ProcessLifetime&) = delete;

  T& operator*() { return *std::launder(reinterpret_cast<T*>(storage_)); }
  T* operator->() { return &**this; }

 private:
  alignas(T) unsigned char storage_[sizeof(T)];
};

}  // namespace vernier
