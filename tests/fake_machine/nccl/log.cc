// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/log.hpp"

#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <sstream>
#include <string>

#include "tests/contract/nccl_like/logger.hpp"
#include "tests/fake_machine/environment.hpp"
#include "tests/fake_machine/nccl/data.hpp"

namespace vernier::fake_machine {
namespace {

constexpr const char* kFunctions[] = {"Broadcast", "Reduce", "AllGather", "ReduceScatter",
                                      "AllReduce"};
constexpr const char* kAlgorithms[] = {
    "TREE", "RING", "COLLNET_DIRECT", "COLLNET_CHAIN", "NVLS", "NVLS_TREE", "PAT"};
constexpr const char* kProtocolNames[] = {"LL", "LL128", "SIMPLE"};

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  std::string host = name.data();
  return host.substr(0, host.find('.'));
}

// %h and %p.
std::string expand(const std::string& pattern) {
  std::string path;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (next == 'h') {
      path += host_name();
    } else if (next == 'p') {
      path += std::to_string(getpid());
    } else {
      path += pattern[i];
      continue;
    }
    ++i;
  }
  return path;
}

struct Log {
  FILE* file = nullptr;  // nullptr: nothing is said
  bool init = false;
  bool tuning = false;
};

Log open_log() {
  Log log;
  const std::string level = env_text("NCCL_DEBUG");
  if (strcasecmp(level.c_str(), "INFO") != 0 && strcasecmp(level.c_str(), "TRACE") != 0) return log;
  std::istringstream names(env_text("NCCL_DEBUG_SUBSYS", "INIT,BOOTSTRAP,ENV"));
  for (std::string name; std::getline(names, name, ',');) {
    const bool all = strcasecmp(name.c_str(), "ALL") == 0;
    log.init |= all || strcasecmp(name.c_str(), "INIT") == 0;
    log.tuning |= all || strcasecmp(name.c_str(), "TUNING") == 0;
  }
  const std::string path = expand(env_text("NCCL_DEBUG_FILE"));
  if (!path.empty()) log.file = std::fopen(path.c_str(), "we");
  if (log.file == nullptr) log.file = stdout;
  return log;
}

const Log& the_log() {
  static const Log log = open_log();
  return log;
}

__attribute__((format(printf, 2, 3))) void info(int device, const char* format, ...) {
  std::array<char, 1024> text{};
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  std::fprintf(the_log().file, "%s:%d:%ld [%d] NCCL INFO %s\n", host_name().c_str(), getpid(),
               syscall(SYS_gettid), device, text.data());
  std::fflush(the_log().file);
}

}  // namespace

void log_tuner_lines(int device) {
  const int count = contract::count_lines();
  for (int i = 0; i < count && the_log().file != nullptr && the_log().init; ++i) {
    NcclLikeLine line{};
    contract::read_line(i, line);
    info(device, "%s", line.text);
  }
  contract::clear_log();
}

void log_channels(int device, int channels) {
  if (the_log().file == nullptr || !the_log().init) return;
  info(device,
       "%d coll channels, 0 collnet channels, 0 nvls channels, %d p2p channels, %d p2p channels "
       "per peer",
       channels, channels, channels);
}

void log_choice(int release, int device, const Call& call, const Extent& extent,
                const Decision& decision, double predicted_us) {
  if (the_log().file == nullptr || !the_log().tuning) return;
  const char* const function = kFunctions[call.func];
  const char* const algorithm = kAlgorithms[decision.algorithm];
  const char* const protocol = kProtocolNames[decision.protocol];
  const auto total = static_cast<long>(extent.total_bytes);
  if (release < 22300) {
    info(device, "%ld Bytes -> Algo %d proto %d time %f", total, decision.algorithm,
         decision.protocol, predicted_us);
  } else if (release < 22400) {
    info(device, "%s: %ld Bytes -> Algo %d proto %d time %f", function, total, decision.algorithm,
         decision.protocol, predicted_us);
  } else if (release < 23100) {
    info(device, "%s: %ld Bytes -> Algo %s proto %s channel{Lo..Hi}={0..%d}", function,
         static_cast<long>(call.count * element_bytes(call.type)), algorithm, protocol,
         decision.channels - 1);
  } else {
    info(device, "Best tuning { .id = 0, .algo = %s, .proto = %s, nChannels = %d }", algorithm,
         protocol, decision.channels);
  }
}

}  // namespace vernier::fake_machine
