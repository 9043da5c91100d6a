// SPDX-License-Identifier: Apache-2.0
//
// Device memory is host memory whose bounds are checked.
#include <cstdlib>
#include <cstring>

#include "tests/fake_machine/cuda/state.hpp"
#include "tests/fake_machine/environment.hpp"

using namespace vernier::fake_machine;

namespace {

constexpr std::size_t kTotalBytes = std::size_t{140} << 30;

std::size_t free_bytes_now() {
  const std::size_t used = state().allocated_bytes + state().taken_bytes;
  return used < kTotalBytes ? kTotalBytes - used : 0;
}

// Whether [address, address + nbytes) lies in one allocation.
bool is_allocated(std::uintptr_t address, std::size_t nbytes) {
  const auto& all = state().allocations;
  auto after = all.upper_bound(address);
  if (after == all.begin()) return false;
  const auto& [start, size] = *--after;
  const std::size_t offset = address - start;
  return offset <= size && nbytes <= size - offset;
}

void* on_host(unsigned long long pointer) {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(pointer));
}

// For synchronous copies, which a capture forbids.
int require_copy(unsigned long long device, const void* host, std::size_t nbytes) {
  if (const int result = require_no_capture(); result != kCudaSuccess) return result;
  if (nbytes == 0) return kCudaSuccess;
  return host != nullptr && is_allocated(device, nbytes) ? kCudaSuccess : kCudaInvalidValue;
}

}  // namespace

int cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  if (free_bytes == nullptr || total_bytes == nullptr) return kCudaInvalidValue;
  *free_bytes = free_bytes_now();
  *total_bytes = kTotalBytes;
  return kCudaSuccess;
}

int cuMemAlloc_v2(unsigned long long* pointer, std::size_t nbytes) {
  if (const int result = require_no_capture(); result != kCudaSuccess) return result;
  if (pointer == nullptr || nbytes == 0) return kCudaInvalidValue;
  void* const memory = nbytes <= free_bytes_now() ? std::malloc(nbytes) : nullptr;
  if (memory == nullptr) return kCudaOutOfMemory;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  state().allocations[address] = nbytes;
  state().allocated_bytes += nbytes;
  *pointer = address;
  return kCudaSuccess;
}

int cuMemFree_v2(unsigned long long pointer) {
  if (const int result = require_no_capture(); result != kCudaSuccess) return result;
  if (pointer == 0) return kCudaSuccess;
  const auto found = state().allocations.find(pointer);
  if (found == state().allocations.end()) return kCudaInvalidValue;
  state().allocated_bytes -= found->second;
  state().allocations.erase(found);
  std::free(on_host(pointer));
  return kCudaSuccess;
}

int cuMemAllocHost_v2(void** pointer, std::size_t nbytes) {
  if (const int result = require_no_capture(); result != kCudaSuccess) return result;
  if (pointer == nullptr || nbytes == 0) return kCudaInvalidValue;
  *pointer = std::malloc(nbytes);  // there is no function to free it with
  return *pointer == nullptr ? kCudaOutOfMemory : kCudaSuccess;
}

int cuMemcpyHtoD_v2(unsigned long long to, const void* from, std::size_t nbytes) {
  if (const int result = require_copy(to, from, nbytes); result != kCudaSuccess) return result;
  if (nbytes != 0) std::memcpy(on_host(to), from, nbytes);
  return kCudaSuccess;
}

int cuMemcpyDtoH_v2(void* to, unsigned long long from, std::size_t nbytes) {
  if (const int result = require_copy(from, to, nbytes); result != kCudaSuccess) return result;
  if (nbytes != 0) std::memcpy(to, on_host(from), nbytes);
  return kCudaSuccess;
}

// 2 us and 300 GB/s; a third of that from or to the GPU of ordinal FAKE_GPU_SLOW.
int cuMemcpyPeerAsync(unsigned long long to, Context* to_context, unsigned long long from,
                      Context* from_context, std::size_t nbytes, Stream* stream) {
  constexpr double kLatencyNs = 2000;
  constexpr double kBytesPerNs = 300;
  if (const int result = require_no_capture(); result != kCudaSuccess) return result;
  if (!state().streams.has(stream)) return kCudaInvalidHandle;
  if (to_context == nullptr || from_context == nullptr || !is_allocated(to, nbytes) ||
      !is_allocated(from, nbytes)) {
    return kCudaInvalidValue;
  }
  const long slow = env_number("FAKE_GPU_SLOW", -1);
  const bool is_slow = to_context->device == slow || from_context->device == slow;
  const double rate = is_slow ? kBytesPerNs / 3 : kBytesPerNs;
  state().now_ns += kLatencyNs + static_cast<double>(nbytes) / rate;
  return kCudaSuccess;
}

int cuMemsetD8_v2(unsigned long long to, unsigned char byte, std::size_t nbytes) {
  if (const int result = require_copy(to, &byte, nbytes); result != kCudaSuccess) return result;
  if (nbytes != 0) std::memset(on_host(to), byte, nbytes);
  return kCudaSuccess;
}

bool fake_cuda_owns(const void* pointer, std::size_t nbytes) {
  return is_allocated(reinterpret_cast<std::uintptr_t>(pointer), nbytes);
}
void fake_cuda_take_memory(std::size_t nbytes) { state().taken_bytes += nbytes; }
void fake_cuda_give_memory(std::size_t nbytes) { state().taken_bytes -= nbytes; }
