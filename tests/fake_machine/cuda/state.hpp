// SPDX-License-Identifier: Apache-2.0
//
// What one process knows of its GPUs. For processes that use them from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/fake_machine/cuda/work.hpp"

namespace vernier::fake_machine {

struct Context {
  int device;
};

struct Stream {
  bool capturing = false;
  bool invalidated = false;  // something that a capture forbids was called
  std::vector<std::shared_ptr<Work>> captured;
};

struct Event {
  bool recorded = false;
  double at_ns = 0;
};

struct Graph {
  std::vector<std::shared_ptr<Work>> works;
};

struct GraphExec {
  std::vector<std::shared_ptr<Work>> works;
  std::uint64_t number;
  std::uint64_t launches = 0;
};

// Objects that the client holds as pointers; one that it invented or destroyed is noticed.
template <typename Object>
class Handles {
 public:
  Object* make(Object object = {}) {
    auto owned = std::make_unique<Object>(std::move(object));
    Object* const handle = owned.get();
    objects_[handle] = std::move(owned);
    return handle;
  }
  [[nodiscard]] bool has(Object* handle) const { return objects_.count(handle) != 0; }
  bool destroy(Object* handle) { return objects_.erase(handle) != 0; }
  [[nodiscard]] auto begin() { return objects_.begin(); }
  [[nodiscard]] auto end() { return objects_.end(); }

 private:
  std::unordered_map<Object*, std::unique_ptr<Object>> objects_;
};

struct State {
  bool initialized = false;
  double now_ns = 0;
  std::map<std::uintptr_t, std::size_t> allocations;  // bytes, by address
  std::size_t allocated_bytes = 0;
  std::size_t taken_bytes = 0;
  std::uint64_t graphs = 0;  // instantiated so far
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<Graph> graph_handles;
  Handles<GraphExec> exec_handles;
};

[[nodiscard]] State& state();
[[nodiscard]] int device_count();
[[nodiscard]] int current_device();  // -1: none

// kCudaSuccess, or why a function that needs a context cannot run.
[[nodiscard]] int require_context();
// Also refuses, and spoils captures, where one is going on: for what a global capture forbids.
[[nodiscard]] int require_no_capture();

}  // namespace vernier::fake_machine
