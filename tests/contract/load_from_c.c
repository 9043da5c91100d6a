/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin as a C program sees it: the ABI headers are C, the five symbols are there, and one
 * communicator lives from init to finalize. Usage: load_from_c PLUGIN */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "vernier/abi/nccl_tuner.h"

static int infos = 0;

static void keep_count(ncclDebugLogLevel level, unsigned long flags, const char* file, int line,
                       const char* format, ...) {
  va_list arguments;
  (void)flags;
  (void)file;
  (void)line;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  if (level == NCCL_LOG_INFO) ++infos;
}

static int fail(const char* what) {
  fprintf(stderr, "load_from_c: %s\n", what);
  return 1;
}

int main(int argc, char** argv) {
  static const char* const names[] = {"ncclTunerPlugin_v2", "ncclTunerPlugin_v3",
                                      "ncclTunerPlugin_v4", "ncclTunerPlugin_v5",
                                      "ncclTunerPlugin_v6"};
  float costs[7][3] = {{5, 6, 7}, {4, 8, 9}};
  int channels = 0;
  void* context = NULL;
  void* library;
  const ncclTuner_v6_t* tuner;
  size_t i;

  if (argc != 2) return fail("usage: load_from_c PLUGIN");
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return fail(dlerror());
  for (i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
    if (dlsym(library, names[i]) == NULL) return fail(names[i]);
  }
  tuner = (const ncclTuner_v6_t*)dlsym(library, "ncclTunerPlugin_v6");
  if (tuner->getChunkSize != NULL) return fail("getChunkSize is not NULL");
  if (tuner->init(&context, 1, 4, 1, keep_count, NULL, NULL) != ncclSuccess) return fail("init");
  if (infos != 1) return fail("init wrote another number of INFO lines than one");
  if (tuner->getCollInfo(context, ncclFuncAllReduce, 4096, 1, (float**)&costs[0][0], 7, 3, 0,
                         &channels) != ncclSuccess) {
    return fail("getCollInfo");
  }
  if (costs[0][0] != 5 || costs[1][0] != 4 || channels != 0) return fail("a change without policy");
  if (tuner->finalize(context) != ncclSuccess) return fail("finalize");
  if (dlclose(library) != 0) return fail(dlerror());
  return 0;
}
