// SPDX-License-Identifier: Apache-2.0
//
// A tuner that does what it must not, as the variable BAD_TUNER says: it shows that the NCCL-like
// host notices. It exports v6, v5 and v2, so that releases meet the new ABI, the older one and the
// wrapper around v2.
#include <cstdlib>
#include <string_view>

#include "vernier/abi/nccl_tuner.h"

namespace {

bool does(std::string_view sin) {
  const char* const value = std::getenv("BAD_TUNER");
  return value != nullptr && value == sin;
}

int number(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? 0 : std::atoi(value);
}

ncclResult_t init_v2(std::size_t, std::size_t, ncclDebugLogger_t, void** context) {
  *context = nullptr;
  return does("fail-init") ? ncclInternalError : ncclSuccess;
}

ncclResult_t init_v5(void** context, std::uint64_t, std::size_t, std::size_t, ncclDebugLogger_t,
                     ncclNvlDomainInfo_v5_t* domains, ncclTunerConstants_v5_t* constants) {
  *context = nullptr;
  if (does("write-constants")) constants->perChMaxNVLSTreeBws[3][2] += 1e-9;
  if (does("write-domains")) domains->maxRanksPerNvlDomain += 1;
  return does("fail-init") ? ncclInternalError : ncclSuccess;
}

// BAD_CELL and BAD_COST: written as they are. BAD_CHANNELS: left in *nChannels.
ncclResult_t get_coll_info(void*, ncclFunc_t, std::size_t, int, float** table, int algorithms,
                           int protocols, int, int* channels) {
  float* const costs = reinterpret_cast<float*>(table);
  if (does("fail-call")) return ncclInternalError;
  if (does("write-before")) costs[-1] = 0;
  if (does("write-behind")) costs[algorithms * protocols] = 0;
  if (does("write-beside-channels")) channels[1] = 4;
  if (does("write-cell")) {
    costs[number("BAD_CELL")] = static_cast<float>(std::atof(std::getenv("BAD_COST")));
  }
  if (does("set-channels")) *channels = number("BAD_CHANNELS");
  return ncclSuccess;
}

ncclResult_t get_coll_info_v2(void*, ncclFunc_t, std::size_t, int, int, int, int* algorithm,
                              int* protocol, int* channels) {
  if (does("fail-call")) return ncclInternalError;
  if (does("choose")) {
    *algorithm = number("BAD_CELL") / 3;
    *protocol = number("BAD_CELL") % 3;
  }
  if (does("set-channels")) *channels = number("BAD_CHANNELS");
  return ncclSuccess;
}

ncclResult_t finalize(void*) { return ncclSuccess; }

ncclResult_t get_chunk_size(void*, ncclFunc_t, std::size_t, int, int, int, std::size_t* chunk) {
  if (does("fail-chunk")) return ncclInternalError;
  if (does("tiny-chunk")) *chunk = 8;
  return ncclSuccess;
}

}  // namespace

#define BAD_EXPORT extern "C" __attribute__((visibility("default")))

BAD_EXPORT const ncclTuner_v2_t ncclTunerPlugin_v2 = {"bad", init_v2, get_coll_info_v2, finalize};
BAD_EXPORT const ncclTuner_v5_t ncclTunerPlugin_v5 = {"bad", init_v5, get_coll_info, finalize};
BAD_EXPORT const ncclTuner_v6_t ncclTunerPlugin_v6 = {"bad", init_v5, get_coll_info, finalize,
                                                      get_chunk_size};
