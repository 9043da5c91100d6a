// SPDX-License-Identifier: Apache-2.0
//
// One rank that creates communicators again and again under settings that differ between ranks, and
// checks what an allreduce gives on each, eager and in a replayed graph; meanwhile one communicator
// lives through it all with its graphs:
//   agreement_creations NCCL RANK RANKS FOLDER OTHER_POLICY COUNT SECONDS
// It ends after COUNT creations or SECONDS, whichever comes first.
// Creation i differs in the way i % kWays on the rank i / kWays % RANKS; way 0 is no difference.
// Ranks find one another through files in FOLDER. Runs on GPUs, and on tests/fake_machine. Prints
// one JSON line; what NCCL and the plugin say goes where NCCL_DEBUG_FILE says.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
constexpr int kLastingReplays = 50;  // of each graph, between two creations
constexpr int kLastingCalls = 20;
constexpr int kSettled = 20;  // creations after which memory should not grow

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

double resident_mib() {
  long pages = 0;
  std::ifstream("/proc/self/statm").ignore(64, ' ') >> pages;
  return static_cast<double>(pages * sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class Rank {
 public:
  Rank(const char* nccl, int rank, int ranks, std::string folder)
      : rank_(rank), ranks_(ranks), folder_(std::move(folder)), gpu_(rank), nccl_(open_nccl(nccl)) {
    send_ = gpu_.allocate(kLargestCount * sizeof(float));
    recv_ = gpu_.allocate(kLargestCount * sizeof(float));
  }

  // False where rank 0 says that it is over: `more` is its word, and counts on rank 0 only.
  bool create_and_check(int creation, bool more) {
    const std::optional<NcclUniqueId> id = meet(creation, more);
    if (!id) return false;
    NcclComm comm = nullptr;
    const auto start = steady_clock::now();
    require(nccl_.comm_init_rank(&comm, ranks_, *id, rank_), "ncclCommInitRank");
    const std::chrono::duration<double, std::milli> took = steady_clock::now() - start;
    longest_init_ms = std::max(longest_init_ms, took.count());
    if (lasting_ == nullptr) {
      lasting_ = comm;
      for (const std::size_t count : kCounts) graphs_.push_back(capture(comm, count));
      return true;
    }
    for (const std::size_t count : kCounts) {
      fill(count, creation);
      all_reduce(comm, count);
      wrong += count_wrong(count, creation);
      float times_us[2];
      gpu_.time_graph([&] { all_reduce(comm, count); }, 3, times_us);
      wrong += count_wrong(count, creation);
    }
    require(nccl_.comm_destroy(comm), "ncclCommDestroy");
    use_lasting(creation);
    if (creation <= kSettled) settled_mib_ = {gpu_.used_mib(), resident_mib()};
    return true;
  }

  [[nodiscard]] double grown_gpu_mib() const { return gpu_.used_mib() - settled_mib_[0]; }
  [[nodiscard]] double grown_resident_mib() const { return resident_mib() - settled_mib_[1]; }

  long wrong = 0;  // elements that were not what they had to be
  long replays = 0;
  double longest_init_ms = 0;

 private:
  static void* at(CudaPointer pointer) { return reinterpret_cast<void*>(pointer); }

  void require(ncclResult_t result, const char* what) const {
    if (result == ncclSuccess) return;
    throw MachineError(fmt::format("{} failed: {}", what, nccl_.get_error_string(result)));
  }

  void all_reduce(NcclComm comm, std::size_t count) {
    require(
        nccl_.all_reduce(at(send_), at(recv_), count, kNcclFloat32, kNcclSum, comm, gpu_.stream()),
        "ncclAllReduce");
  }

  CudaGraphExec capture(NcclComm comm, std::size_t count) {
    CudaGraph graph = nullptr;
    CudaGraphExec exec = nullptr;
    require_cuda(cuda_.stream_begin_capture(gpu_.stream(), kCaptureModeGlobal), "capture");
    all_reduce(comm, count);
    require_cuda(cuda_.stream_end_capture(gpu_.stream(), &graph), "cuStreamEndCapture");
    require_cuda(cuda_.graph_instantiate(&exec, graph, 0), "cuGraphInstantiate");
    return exec;
  }

  void use_lasting(int creation) {
    for (std::size_t i = 0; i < graphs_.size(); ++i) {
      fill(kCounts[i], creation);
      for (int replay = 0; replay < kLastingReplays; ++replay) {
        require_cuda(cuda_.graph_launch(graphs_[i], gpu_.stream()), "cuGraphLaunch");
      }
      replays += kLastingReplays;
      wrong += count_wrong(kCounts[i], creation);
      for (int call = 0; call < kLastingCalls; ++call) all_reduce(lasting_, kCounts[i]);
      wrong += count_wrong(kCounts[i], creation);
    }
  }

  // The id of a communicator, from rank 0 by a file that is renamed into place; an empty file is
  // the end.
  std::optional<NcclUniqueId> meet(int creation, bool more) {
    const std::string path = fmt::format("{}/{}", folder_, creation);
    NcclUniqueId id{};
    if (rank_ == 0) {
      std::ofstream file(path + ".new", std::ios::binary);
      if (more) {
        require(nccl_.get_unique_id(&id), "ncclGetUniqueId");
        file.write(id.bytes.data(), id.bytes.size());
      }
      file.close();
      std::filesystem::rename(path + ".new", path);
      return more ? std::optional(id) : std::nullopt;
    }
    for (int i = 0; i < 60'000; ++i) {
      if (std::ifstream file(path, std::ios::binary); file) {
        if (file.read(id.bytes.data(), id.bytes.size())) return id;
        return std::nullopt;
      }
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
    long found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (int rank = 0; rank < ranks_; ++rank) sum += value(i, rank, creation);
      found += host_[i] == sum ? 0 : 1;
    }
    return found;
  }

  int rank_;
  int ranks_;
  std::string folder_;
  const CudaDriver& cuda_ = cuda_driver();
  Gpu gpu_;
  NcclLibrary nccl_;
  NcclComm lasting_ = nullptr;
  std::vector<CudaGraphExec> graphs_;  // of lasting_, one for each of kCounts
  CudaPointer send_ = 0;
  CudaPointer recv_ = 0;
  std::vector<float> host_;
  std::array<double, 2> settled_mib_{};  // of the GPU, of this process
};

int run(char** arguments) {
  const int rank = std::atoi(arguments[2]);
  const int ranks = std::atoi(arguments[3]);
  const int count = std::atoi(arguments[6]);
  const auto end = steady_clock::now() + std::chrono::seconds(std::atoi(arguments[7]));
  Rank self(arguments[1], rank, ranks, arguments[4]);
  int created = 0;
  for (bool goes_on = true; goes_on; created += goes_on) {
    const bool mine = created / kWays % ranks == rank;
    const auto difference = differ(mine ? created % kWays : 0, arguments[5]);
    goes_on = self.create_and_check(created, created < count && steady_clock::now() < end);
  }
  fmt::print(
      "{{\"created\":{},\"wrong\":{},\"replays\":{},\"longest_init_ms\":{:.1f},"
      "\"grown_gpu_mib\":{:.1f},\"grown_resident_mib\":{:.1f}}}\n",
      created, self.wrong, self.replays, self.longest_init_ms, self.grown_gpu_mib(),
      self.grown_resident_mib());
  return self.wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace vernier::calibrate

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  try {
    return vernier::calibrate::run(argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "agreement_creations: {}\n", error.what());
    return 3;
  }
}
