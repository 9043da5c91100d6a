// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>

#include "tools/calibrate/live/gpu.hpp"
#include "tools/calibrate/live/nccl_library.hpp"
#include "tools/calibrate/live/static_tuner.hpp"
#include "tools/calibrate/live/test_data.hpp"
#include "tools/calibrate/live/windows.hpp"
#include "tools/calibrate/live/wire.hpp"
#include "tools/common/output.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::uint8_t kPoison = 0xFF;            // NaN in every data type
constexpr std::uint64_t kGuardBytes = 4096;       // behind the output; nothing may write there
constexpr int kEagerAligningOperations = 2;       // so that the ranks begin a block together
constexpr std::size_t kWireBytes = 8;             // of an exchange between neighbours
constexpr std::size_t kControlNumbers = 1 << 16;  // floats that control traffic carries at once

class Rank {
 public:
  explicit Rank(const RankSetup& setup)
      : setup_(setup),
        type_(find_data_type(setup.data_type).value()),
        gpu_(setup.device),
        nccl_(open_nccl(setup.nccl)),
        data_(setup.ranks, setup.rank, type_, setup.max_bytes),
        output_(setup.max_bytes + kGuardBytes) {
    for (int set = 0; set < TestData::kSets; ++set) {
      send_[set] = gpu_.allocate(setup.max_bytes);
      gpu_.upload(send_[set], data_.sent(set));
    }
    recv_ = gpu_.allocate(output_.size());
    control_buffer_ = gpu_.allocate(std::max(sizeof(Command), kControlNumbers * sizeof(float)));
    connect();
  }

  void serve() {
    if (setup_.rank == 0) {
      const bool asked = setup_.confirms || last_call().calls > 0;
      say(Hello{seen_nodes(), asked ? 1 : 0});
    }
    while (true) {
      Command command{};
      if (setup_.rank == 0 && !read_all(kCommandFd, &command, sizeof command)) {
        command.task = Task::end;
      }
      share(command);
      switch (command.task) {
        case Task::survey: survey(command); break;
        case Task::check: check(command); break;
        case Task::measure: measure(command); break;
        case Task::used_memory: used_memory(); break;
        case Task::wire: wire(command); break;
        case Task::windows: open_windows(); break;
        case Task::end: return;
      }
    }
  }

 private:
  void require(ncclResult_t result, const char* what) const {
    if (result == ncclSuccess) return;
    throw MachineError(fmt::format("{} failed: {}", what, nccl_.get_error_string(result)));
  }

  // ---- control traffic
  // ---------------------------------------------------------------------------

  void connect() {
    NcclUniqueId id{};
    if (std::getenv("NCCL_COMM_ID") != nullptr) {  // ranks of several tasks: all read it there
      require(nccl_.get_unique_id(&id), "ncclGetUniqueId");
    } else if (setup_.rank == 0) {
      require(nccl_.get_unique_id(&id), "ncclGetUniqueId");
      for (int other = 1; other < setup_.ranks; ++other) {
        if (!write_all(kUniqueIdFd, &id, sizeof id)) throw MachineError("the other ranks are gone");
      }
    } else if (!read_all(kUniqueIdFd, &id, sizeof id)) {
      throw MachineError("rank 0 is gone");
    }
    create_for_control(true);
    // Read at each creation, by the plugin where one is loaded.
    setenv("NCCL_VERNIER_MODE", "off", 1);
    require(nccl_.comm_init_rank(&control_, setup_.ranks, id, setup_.rank), "ncclCommInitRank");
    create_for_control(false);
    // It would name every communicator: one commId, one port. The next ids go over this one.
    unsetenv("NCCL_COMM_ID");
    measured_ = arms_[0] = create();
    if (setup_.confirms) {
      setenv("NCCL_VERNIER_MODE", "apply", 1);
      arms_[1] = create();
    }
    // The first call tells whether NCCL asks the tuner that this executable exports.
    run(Collective::allreduce, Point{Collective::allreduce, type_.element_bytes}, 0);
    gpu_.synchronize();
  }

  NcclComm create() {
    NcclUniqueId id{};
    if (setup_.rank == 0) require(nccl_.get_unique_id(&id), "ncclGetUniqueId");
    share(id);
    NcclComm communicator = nullptr;
    require(nccl_.comm_init_rank(&communicator, setup_.ranks, id, setup_.rank), "ncclCommInitRank");
    return communicator;
  }

  // Rank 0's value, on every rank.
  template <typename Value>
  void share(Value& value) {
    gpu_.upload(control_buffer_,
                std::span(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
    require(nccl_.broadcast(on_device(control_buffer_), on_device(control_buffer_), sizeof value,
                            kNcclUint8, 0, control_, gpu_.stream()),
            "ncclBroadcast of control traffic");
    gpu_.synchronize();
    gpu_.download(&value, control_buffer_, sizeof value);
  }

  // The largest of all ranks, element by element.
  void share_largest(std::vector<float>& numbers) {
    for (std::size_t first = 0; first < numbers.size(); first += kControlNumbers) {
      const std::size_t count = std::min(kControlNumbers, numbers.size() - first);
      gpu_.upload(control_buffer_,
                  std::span(reinterpret_cast<const std::uint8_t*>(numbers.data() + first),
                            count * sizeof(float)));
      require(nccl_.all_reduce(on_device(control_buffer_), on_device(control_buffer_), count,
                               kNcclFloat32, kNcclMax, control_, gpu_.stream()),
              "ncclAllReduce of control traffic");
      gpu_.synchronize();
      gpu_.download(numbers.data() + first, control_buffer_, count * sizeof(float));
    }
  }

  template <typename Value>
  void say(const Value& value) {
    if (!write_all(kReplyFd, &value, sizeof value)) throw MachineError("nobody listens");
  }

  void reply(const std::vector<float>& numbers, int algorithms = 0, int protocols = 0) {
    if (setup_.rank != 0) return;
    say(Reply{algorithms, protocols, static_cast<std::uint32_t>(numbers.size())});
    if (!write_all(kReplyFd, numbers.data(), numbers.size() * sizeof(float))) {
      throw MachineError("nobody listens");
    }
  }

  // ---- what is measured
  // --------------------------------------------------------------------------

  static Point point_of(const Command& command) {
    return {static_cast<Collective>(command.collective), command.nbytes};
  }

  void run(Collective collective, const Point& point, int set) {
    const Extent extent = extent_of(point, setup_.ranks, type_.element_bytes);
    const void* const send = in_windows_ ? windows_.send : on_device(send_[set]);
    void* const recv = in_windows_ ? windows_.recv : on_device(recv_);
    const CudaStream stream = gpu_.stream();
    switch (collective) {
      case Collective::allreduce:
        return require(
            nccl_.all_reduce(send, recv, extent.count, type_.nccl, kNcclSum, measured_, stream),
            "ncclAllReduce");
      case Collective::allgather:
        return require(nccl_.all_gather(send, recv, extent.count, type_.nccl, measured_, stream),
                       "ncclAllGather");
      case Collective::reducescatter:
        return require(
            nccl_.reduce_scatter(send, recv, extent.count, type_.nccl, kNcclSum, measured_, stream),
            "ncclReduceScatter");
      case Collective::broadcast:
        return require(
            nccl_.broadcast(send, recv, extent.count, type_.nccl, kRoot, measured_, stream),
            "ncclBroadcast");
      case Collective::reduce:
        return require(
            nccl_.reduce(send, recv, extent.count, type_.nccl, kNcclSum, kRoot, measured_, stream),
            "ncclReduce");
    }
  }

  void survey(const Command& command) {
    force(kDefault);
    const Point point = point_of(command);
    run(point.collective, point, 0);
    gpu_.synchronize();
    // Usable only where every rank can run it: the smallest cost over ranks is what counts.
    std::vector<float> costs_us = last_call().costs_us;
    for (float& cost_us : costs_us) cost_us = -cost_us;
    share_largest(costs_us);
    for (float& cost_us : costs_us) cost_us = -cost_us;
    reply(costs_us, last_call().algorithms, last_call().protocols);
  }

  // 1 + this rank when something is wrong with its output, which is then told on stderr; else 0.
  float problem(const Point& point, int set) {
    const Extent extent = extent_of(point, setup_.ranks, type_.element_bytes);
    gpu_.poison(recv_, extent.recv_bytes + kGuardBytes, kPoison);
    run(point.collective, point, set);
    gpu_.synchronize();
    gpu_.download(output_.data(), recv_, extent.recv_bytes + kGuardBytes);
    const std::int64_t wrong = data_.first_wrong_byte(point, set, output_.data());
    if (wrong >= 0) {
      print_talk(fmt::format("rank {}: {}: element {} of the output is wrong", setup_.rank,
                             describe(point), wrong / type_.element_bytes));
      return static_cast<float>(1 + setup_.rank);
    }
    const auto* const guard = output_.data() + extent.recv_bytes;
    if (std::any_of(guard, guard + kGuardBytes, [](std::uint8_t b) { return b != kPoison; })) {
      print_talk(fmt::format("rank {}: {}: something wrote behind the output", setup_.rank,
                             describe(point)));
      return static_cast<float>(1 + setup_.rank);
    }
    return 0;
  }

  void check(const Command& command) {
    force(from_wire(command.arms[0]));
    const Point point = point_of(command);
    std::vector<float> verdict{0, 0};
    for (int set = 0; set < TestData::kSets; ++set) {
      verdict[0] = std::max(verdict[0], problem(point, set));
      if (!last_call().usable) verdict[1] = 1;
    }
    force(kDefault);
    share_largest(verdict);
    reply(verdict);
  }

  void measure(const Command& command) {
    const Point point = point_of(command);
    const auto arms = static_cast<std::size_t>(command.arm_count);
    const auto mode = static_cast<Mode>(command.mode);
    const auto use = [&](std::size_t arm) {
      force(from_wire(command.arms[arm]));
      if (setup_.confirms) measured_ = arms_.at(arm);
      in_windows_ = command.last_in_windows != 0 && arm + 1 == arms;
    };
    const auto once = [&] { run(point.collective, point, 0); };
    // Connections and kernels are set up before anything is captured.
    for (std::size_t arm = 0; arm < arms; ++arm) {
      use(arm);
      once();
    }
    gpu_.synchronize();

    const auto replays = static_cast<std::size_t>(command.replays);
    std::vector<float> times_us(arms * static_cast<std::size_t>(command.pairs) * replays);
    for (int pair = 0; pair < command.pairs; ++pair) {
      for (std::size_t i = 0; i < arms; ++i) {
        const std::size_t arm = pair % 2 == 0 ? i : arms - 1 - i;
        use(arm);
        float* const place = times_us.data() + (arm * static_cast<std::size_t>(command.pairs) +
                                                static_cast<std::size_t>(pair)) *
                                                   replays;
        switch (mode) {
          case Mode::graph:
            gpu_.time_graph(once, command.operations, std::span(place, replays));
            break;
          case Mode::eager:
            *place = gpu_.time_eager(once, kEagerAligningOperations, command.operations);
            break;
          case Mode::host:
            *place = gpu_.time_host(once, kEagerAligningOperations, command.operations);
            break;
        }
      }
    }
    force(kDefault);
    in_windows_ = false;
    share_largest(times_us);
    reply(times_us);
  }

  // 8 bytes to the next rank, and 8 from the one before, in one group.
  void exchange_with_neighbours() {
    char* const buffer = static_cast<char*>(on_device(control_buffer_));
    const int next = (setup_.rank + 1) % setup_.ranks;
    const int before = (setup_.rank + setup_.ranks - 1) % setup_.ranks;
    require(nccl_.group_start(), "ncclGroupStart");
    require(nccl_.send(buffer, kWireBytes, kNcclUint8, next, measured_, gpu_.stream()), "ncclSend");
    require(
        nccl_.recv(buffer + kWireBytes, kWireBytes, kNcclUint8, before, measured_, gpu_.stream()),
        "ncclRecv");
    require(nccl_.group_end(), "ncclGroupEnd");
  }

  void wire(const Command& command) {
    const auto replays = static_cast<std::size_t>(command.replays);
    std::vector<float> times_us(static_cast<std::size_t>(command.pairs) * replays);
    const auto once = [&] { exchange_with_neighbours(); };
    once();  // connects
    for (std::size_t first = 0; first < times_us.size(); first += replays) {
      gpu_.time_graph(once, command.operations, std::span(times_us).subspan(first, replays));
    }
    share_largest(times_us);
    reply(times_us);
  }

  void open_windows() {
    const Agree agree = [&](float own) {
      std::vector<float> largest{own};
      share_largest(largest);
      return largest[0];
    };
    const Windows::State state =
        calibrate::open_windows(nccl_, measured_, setup_.max_bytes, agree, windows_);
    if (state == Windows::State::open) {
      gpu_.upload(reinterpret_cast<CudaPointer>(windows_.send), data_.sent(0));
    }
    reply({static_cast<float>(state)});
  }

  void used_memory() {
    std::vector<float> used_mib{static_cast<float>(gpu_.used_mib())};
    share_largest(used_mib);
    reply(used_mib);
  }

  static void* on_device(CudaPointer pointer) { return reinterpret_cast<void*>(pointer); }

  RankSetup setup_;
  DataType type_;
  Gpu gpu_;
  NcclLibrary nccl_;
  TestData data_;
  std::vector<std::uint8_t> output_;  // as downloaded
  CudaPointer send_[TestData::kSets]{};
  CudaPointer recv_ = 0;
  CudaPointer control_buffer_ = 0;
  NcclComm control_ = nullptr;
  NcclComm measured_ = nullptr;
  Windows windows_;
  bool in_windows_ = false;         // whether run() takes their buffers
  std::array<NcclComm, 2> arms_{};  // where it confirms; else one, which runs all of them
};

RankSetup from_argument(const std::string& argument) {
  const Json json = Json::parse(argument);
  return {json.at("rank"),      json.at("ranks"),     json.at("device"),  json.at("nccl"),
          json.at("data_type"), json.at("max_bytes"), json.at("confirms")};
}

}  // namespace

std::string to_argument(const RankSetup& setup) {
  return Json{{"rank", setup.rank},           {"ranks", setup.ranks},
              {"device", setup.device},       {"nccl", setup.nccl},
              {"data_type", setup.data_type}, {"max_bytes", setup.max_bytes},
              {"confirms", setup.confirms}}
      .dump();
}

int run_rank(const std::string& argument) {
  try {
    Rank(from_argument(argument)).serve();
    // Without destroying communicators or contexts: the other ranks may be gone.
    std::fflush(nullptr);
    std::_Exit(0);
  } catch (const std::exception& error) {
    print_talk(fmt::format("calibrating rank: {}", error.what()));
    return 1;
  }
}

}  // namespace vernier::calibrate
