// SPDX-License-Identifier: Apache-2.0
//
// What each NCCL release does towards a tuner plugin: one row per release, so that a new release is
// a new row. Source: the table of NCCL plugin facts (read from the tagged trees up to 2.30.7). Rows
// from 2.31 on come from release notes and excerpts: likely, not verified against a tag.
#pragma once

namespace vernier::contract {

// How NCCL_TUNER_PLUGIN becomes a file to open.
enum class NameRule {
  as_is_then_expanded,  // dlopen(NAME), then libnccl-tuner-NAME.so
  file_or_expanded,     // 2.27.3: NAME only if it is lib*.so without a path, else the expansion
  expanded_if_bare,     // 2.27.5+: as is; expanded only where NAME has no '/' and is no lib*.so
};

// How NCCL_ALGO and NCCL_PROTO are read.
enum class EnvGrammar {
  one_list,      // up to 2.23: one list for every function; unknown names are ignored
  per_function,  // 2.24+: [list][;func:list]...; unknown names fail communicator creation
};

// How the table becomes a choice.
enum class Selection {
  tuner_decides,          // 2.21: the plugin's algorithm and protocol are taken unchecked
  smallest_not_negative,  // 2.22 to 2.30
  smallest_candidate,     // 2.31+: over candidates, no sign test, symmetric kernels among them
};

// What becomes of a channel number that is not 0.
enum class ChannelRule {
  clamped,              // 2.21
  signed_byte_wide,     // 2.22 to 2.28: 8-bit signed; negative means "as far as possible"
  signed_byte_divides,  // 2.29, 2.30: 8-bit signed; negative divides by zero
  only_lowers,          // 2.31+
};

struct ReleaseFacts {
  int code;        // as ncclGetVersion returns it
  int newest_abi;  // tuner symbols are tried from this version down to 2
  int algorithms;  // rows of the table
  int max_channels;
  bool binds_now;  // dlopen with RTLD_NOW; before 2.26 RTLD_LAZY
  NameRule name_rule;
  bool static_plugin;  // STATIC_PLUGIN searches the executable
  bool none_disables;  // NCCL_TUNER_PLUGIN=none
  bool reloads;        // opens the plugin again after the last communicator closed it
  EnvGrammar env_grammar;
  bool inflates_fp8;   // ring costs x 1024 for FP8 on more than 8 ranks
  bool ring_backup;    // nothing usable: ring; later releases fail the collective
  float highest_cost;  // costs from here on are never chosen
  Selection selection;
  ChannelRule channel_rule;
  bool groups_allgatherv;  // a group of broadcasts becomes an AllGatherV, asked as AllGather
};

// nullptr for a release that has no row.
[[nodiscard]] const ReleaseFacts* find_release(int code);

}  // namespace vernier::contract
