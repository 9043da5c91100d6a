// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/release_facts.hpp"

#include <cfloat>

namespace vernier::contract {
namespace {

constexpr auto kAsIs = NameRule::as_is_then_expanded;
constexpr auto kFile = NameRule::file_or_expanded;
constexpr auto kBare = NameRule::expanded_if_bare;
constexpr auto kOne = EnvGrammar::one_list;
constexpr auto kPer = EnvGrammar::per_function;
constexpr auto kTuner = Selection::tuner_decides;
constexpr auto kTable = Selection::smallest_not_negative;
constexpr auto kList = Selection::smallest_candidate;
constexpr auto kClamp = ChannelRule::clamped;
constexpr auto kWide = ChannelRule::signed_byte_wide;
constexpr auto kDiv = ChannelRule::signed_byte_divides;
constexpr auto kLower = ChannelRule::only_lowers;
constexpr float kOld = 3.6e9f;

// Columns as in ReleaseFacts.
// clang-format off
constexpr bool yes = true;
constexpr bool no = false;
constexpr ReleaseFacts kReleases[] = {
//  code abi rows max now name static none reload env fp8 backup highest select  chan  gatherv
  {22105, 2, 6, 32, no,  kAsIs, no,  no,  no,  kOne, no,  yes, kOld,    kTuner, kClamp, no},
  {22203, 3, 6, 32, no,  kAsIs, yes, no,  yes, kOne, no,  yes, kOld,    kTable, kWide,  no},
  {22304, 3, 7, 32, no,  kAsIs, yes, no,  yes, kOne, no,  yes, kOld,    kTable, kWide,  no},
  {22403, 4, 7, 32, no,  kAsIs, yes, no,  yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22501, 4, 7, 64, no,  kAsIs, yes, no,  yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22602, 4, 7, 64, yes, kAsIs, yes, no,  yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22703, 4, 7, 64, yes, kFile, no,  no,  yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22705, 4, 7, 64, yes, kBare, yes, no,  yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22803, 5, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22809, 5, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  kOld,    kTable, kWide,  no},
  {22907, 5, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  FLT_MAX, kTable, kDiv,   yes},
  {23004, 6, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  FLT_MAX, kTable, kDiv,   yes},
  {23007, 6, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  FLT_MAX, kTable, kDiv,   yes},
  // From here on not verified against a tag.
  {23102, 6, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  FLT_MAX, kList,  kLower, yes},
  {23203, 6, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  FLT_MAX, kList,  kLower, yes},
  {23206, 7, 7, 64, yes, kBare, yes, yes, yes, kPer, yes, no,  FLT_MAX, kList,  kLower, yes},
};
// clang-format on

}  // namespace

const ReleaseFacts* find_release(int code) {
  for (const ReleaseFacts& facts : kReleases) {
    if (facts.code == code) return &facts;
  }
  return nullptr;
}

}  // namespace vernier::contract
