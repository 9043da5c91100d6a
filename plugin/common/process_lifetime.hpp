// SPDX-License-Identifier: Apache-2.0
//
// A static object that is never destroyed: other threads may still be inside NCCL while the process
// runs its exit handlers. The plugin stays mapped until the process ends (-z nodelete), so nothing
// is lost.
#pragma once

namespace vernier {

template <typename T>
class ProcessLifetime {
 public:
  constexpr ProcessLifetime() : object_() {}
  constexpr ~ProcessLifetime() {}  // not the object's
  ProcessLifetime(const ProcessLifetime&) = delete;
  ProcessLifetime& operator=(const ProcessLifetime&) = delete;

  T& operator*() { return object_; }
  T* operator->() { return &object_; }

 private:
  union {
    T object_;
  };
};

}  // namespace vernier
