// SPDX-License-Identifier: Apache-2.0
//
// A library that looks like an NCCL from outside: for reading, not for loading.
extern "C" {
int ncclImported();  // needed, and not defined here
__attribute__((visibility("default"))) int ncclAllReduce() { return 0; }
__attribute__((visibility("default"))) extern const int ncclTunerPlugin_v4;
const int ncclTunerPlugin_v4 = 4;
__attribute__((visibility("default"))) int other_function() { return ncclImported(); }
__attribute__((visibility("default"))) const char* words(int which) {
  switch (which) {
    case 0: return "NCCL version 2.27.3+cuda12.8";
    case 1: return "NCCL_ALGO";
    case 2: return "NCCL_ALGO is a sentence";
    case 3: return "NCCL version %d";
    default: return "NCCL_IB_HCA";
  }
}
}
