// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/loader.hpp"

#include <dlfcn.h>
#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace vernier::contract {
namespace {

enum class Status { ready, open, failed };

struct State {
  std::mutex mutex;
  std::string dir;
  Status status = Status::ready;
  void* library = nullptr;
  LoadedTuner tuner;
  int references = 0;
  std::string path;
  int opens = 0;
  int closes = 0;
};

// Never destroyed: a plugin may outlive this image's exit handlers.
State& state() {
  static State* const one = new State;
  return *one;
}

constexpr std::size_t kLongestName = 254;

// NCCL compares with the length of the user's string, so that any beginning of the word counts.
bool begins(std::string_view word, const char* name) {
  return *name != '\0' && strncasecmp(word.data(), name, std::strlen(name)) == 0;
}

bool is_library_name(std::string_view name) {
  return name.starts_with("lib") && name.ends_with(".so");
}

void* open_library(const std::string& name, bool now) {
  const int flags = (now ? RTLD_NOW : RTLD_LAZY) | RTLD_LOCAL;
  if (name.empty()) return dlopen(nullptr, flags);
  const std::string& dir = state().dir;
  if (!dir.empty() && name.find('/') == std::string::npos) {
    if (void* const library = dlopen((dir + "/" + name).c_str(), flags)) return library;
  }
  return dlopen(name.c_str(), flags);
}

LoadedTuner find_symbol(void* library, int newest_abi) {
  // v7 is asked for by 2.32.6, but its layout is not known well enough to be called here.
  for (int abi = newest_abi; abi >= 2; --abi) {
    const std::string name = "ncclTunerPlugin_v" + std::to_string(abi);
    const void* const symbol = dlsym(library, name.c_str());
    if (symbol != nullptr && abi <= 6) return {abi, symbol};
  }
  return {};
}

void load(const ReleaseFacts& facts, State& s) {
  const char* const name = std::getenv("NCCL_TUNER_PLUGIN");
  s.status = Status::failed;  // NCCL does not try again
  if (facts.none_disables && name != nullptr && strcasecmp(name, "none") == 0) return;
  for (const std::string& file : file_names(facts, name)) {
    void* const library = open_library(file, facts.binds_now);
    if (library == nullptr) continue;
    const LoadedTuner tuner = find_symbol(library, facts.newest_abi);
    if (tuner.abi == 0) {
      dlclose(library);
      return;
    }
    s.library = library;
    s.tuner = tuner;
    s.path = file;
    s.status = Status::open;
    ++s.opens;
    return;
  }
}

}  // namespace

std::vector<std::string> file_names(const ReleaseFacts& facts, const char* name) {
  if (name == nullptr || *name == '\0') return {"libnccl-tuner.so"};
  if (facts.static_plugin && begins("STATIC_PLUGIN", name)) return {""};
  const std::string as_is = std::string(name).substr(0, kLongestName);
  const std::string expanded = "libnccl-tuner-" + as_is + ".so";
  const bool bare = as_is.find('/') == std::string::npos && !is_library_name(as_is);
  switch (facts.name_rule) {
    case NameRule::as_is_then_expanded: return {as_is, expanded};
    case NameRule::file_or_expanded: return {is_library_name(as_is) ? as_is : expanded};
    case NameRule::expanded_if_bare: break;
  }
  if (bare) return {as_is, expanded};
  return {as_is};
}

void set_library_dir(std::string_view dir) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.dir = dir;
}

void reset_loader() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  // What an earlier release left open stays open; a new process would not have it.
  s.status = Status::ready;
  s.library = nullptr;
  s.tuner = {};
  s.references = 0;
  s.opens = 0;
  s.closes = 0;
}

LoadedTuner acquire_tuner(const ReleaseFacts& facts, bool& opened_here) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  opened_here = false;
  if (s.status == Status::ready) {
    load(facts, s);
    opened_here = s.status == Status::open;
  }
  if (s.status != Status::open) return {};
  ++s.references;
  return s.tuner;
}

void release_tuner(const ReleaseFacts& facts) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (--s.references != 0) return;
  dlclose(s.library);
  ++s.closes;
  s.library = nullptr;
  s.tuner = {};
  // 2.21 does not load a tuner again once all communicators are gone.
  s.status = facts.reloads ? Status::ready : Status::failed;
}

void describe_loads(NcclLikeLoads& loads) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  loads.opens = s.opens;
  loads.closes = s.closes;
  loads.abi = s.tuner.abi;
  const std::size_t length = std::min(s.path.size(), sizeof(loads.path) - 1);
  std::memcpy(loads.path, s.path.data(), length);
  loads.path[length] = '\0';
}

}  // namespace vernier::contract
