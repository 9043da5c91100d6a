// SPDX-License-Identifier: Apache-2.0
//
// One rank that creates communicators again and again under settings that differ between ranks, and
// checks what an allreduce gives on each, eager and in a replayed graph:
//   agreement_creations NCCL RANK RANKS FOLDER COUNT OTHER_POLICY
// Creation i differs in the way i % kWays on the rank i / kWays % RANKS; way 0 is no difference.
// Ranks find one another through files in FOLDER. Runs on GPUs, and on tests/fake_machine. Prints
// one JSON line; what NCCL and the plugin say goes where NCCL_DEBUG_FILE says.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tools/calibrate/live/gpu.hpp"
#include "tools/calibrate/live/nccl_library.hpp"
#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kLargestCount = 1 << 18;  // floats
constexpr std::size_t kCounts[] = {2048, kLargestCount};
constexpr int kWays = 6;

using std::chrono::steady_clock;

class Override {
 public:
  Override(const char* name, const std::string& value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Override() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Override(const Override&) = delete;
  Override& operator=(const Override&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

std::unique_ptr<Override> differ(int way, const char* other_policy) {
  switch (way) {
    case 1: return std::make_unique<Override>("NCCL_VERNIER_MODE", "off");
    case 2: return std::make_unique<Override>("NCCL_VERNIER_MODE", "observe");
    case 3: return std::make_unique<Override>("VLLM_BATCH_INVARIANT", "1");
    case 4: return std::make_unique<Override>("NCCL_VERNIER_POLICY", other_policy);
    case 5: return std::make_unique<Override>("NCCL_VERNIER_POLICY", "/nowhere");
    default: return nullptr;
  }
}

class Rank {
 public:
  Rank(const char* nccl, int rank, int ranks, std::string folder)
      : rank_(rank), ranks_(ranks), folder_(std::move(folder)), gpu_(rank), nccl_(open_nccl(nccl)) {
    send_ = gpu_.allocate(kLargestCount * sizeof(float));
    recv_ = gpu_.allocate(kLargestCount * sizeof(float));
  }

  // Elements that were not what they had to be.
  [[nodiscard]] long create_and_check(int creation) {
    NcclComm comm = nullptr;
    const NcclUniqueId id = meet(creation);
    const auto start = steady_clock::now();
    require(nccl_.comm_init_rank(&comm, ranks_, id, rank_), "ncclCommInitRank");
    const std::chrono::duration<double, std::milli> took = steady_clock::now() - start;
    longest_init_ms = std::max(longest_init_ms, took.count());
    long wrong = 0;
    for (const std::size_t count : kCounts) {
      fill(count, creation);
      const auto run = [&] {
        require(nccl_.all_reduce(at(send_), at(recv_), count, kNcclFloat32, kNcclSum, comm,
                                 gpu_.stream()),
                "ncclAllReduce");
      };
      run();
      wrong += count_wrong(count, creation);
      float times_us[2];
      gpu_.time_graph(run, 3, times_us);
      wrong += count_wrong(count, creation);
    }
    require(nccl_.comm_destroy(comm), "ncclCommDestroy");
    return wrong;
  }

  double longest_init_ms = 0;

 private:
  static void* at(CudaPointer pointer) { return reinterpret_cast<void*>(pointer); }

  void require(ncclResult_t result, const char* what) const {
    if (result == ncclSuccess) return;
    throw MachineError(fmt::format("{} failed: {}", what, nccl_.get_error_string(result)));
  }

  // The id of a communicator, from rank 0 by a file that is renamed into place.
  NcclUniqueId meet(int creation) {
    const std::string path = fmt::format("{}/{}", folder_, creation);
    NcclUniqueId id{};
    if (rank_ == 0) {
      require(nccl_.get_unique_id(&id), "ncclGetUniqueId");
      std::ofstream(path + ".new", std::ios::binary).write(id.bytes.data(), id.bytes.size());
      std::filesystem::rename(path + ".new", path);
      return id;
    }
    for (int i = 0; i < 60'000; ++i) {
      std::ifstream file(path, std::ios::binary);
      if (file.read(id.bytes.data(), id.bytes.size())) return id;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    throw MachineError("rank 0 never came");
  }

  [[nodiscard]] static float value(std::size_t i, int rank, int creation) {
    return static_cast<float>((i + static_cast<std::size_t>(7 * rank + creation)) % 1021);
  }

  void fill(std::size_t count, int creation) {
    host_.resize(count);
    for (std::size_t i = 0; i < count; ++i) host_[i] = value(i, rank_, creation);
    const std::size_t nbytes = count * sizeof(float);
    gpu_.upload(send_, {reinterpret_cast<const std::uint8_t*>(host_.data()), nbytes});
    gpu_.poison(recv_, nbytes, 0xff);
  }

  long count_wrong(std::size_t count, int creation) {
    gpu_.synchronize();
    gpu_.download(host_.data(), recv_, count * sizeof(float));
    gpu_.poison(recv_, count * sizeof(float), 0xff);
    long wrong = 0;
    for (std::size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (int rank = 0; rank < ranks_; ++rank) sum += value(i, rank, creation);
      wrong += host_[i] == sum ? 0 : 1;
    }
    return wrong;
  }

  int rank_;
  int ranks_;
  std::string folder_;
  Gpu gpu_;
  NcclLibrary nccl_;
  CudaPointer send_ = 0;
  CudaPointer recv_ = 0;
  std::vector<float> host_;
};

int run(char** arguments) {
  const int rank = std::atoi(arguments[2]);
  const int ranks = std::atoi(arguments[3]);
  const int count = std::atoi(arguments[5]);
  Rank self(arguments[1], rank, ranks, arguments[4]);
  long wrong = 0;
  for (int creation = 0; creation < count; ++creation) {
    const bool mine = creation / kWays % ranks == rank;
    const auto difference = differ(mine ? creation % kWays : 0, arguments[6]);
    wrong += self.create_and_check(creation);
  }
  fmt::print("{{\"created\":{},\"wrong\":{},\"longest_init_ms\":{:.1f}}}\n", count, wrong,
             self.longest_init_ms);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace vernier::calibrate

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  try {
    return vernier::calibrate::run(argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "agreement_creations: {}\n", error.what());
    return 3;
  }
}
