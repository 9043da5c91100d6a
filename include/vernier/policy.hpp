// SPDX-License-Identifier: Apache-2.0
//
// A policy: rules that name a collective, a range of bytes and a communicator shape, and what NCCL
// should choose there. docs/policy-format.md is the format; this is its model. Everything here is a
// pure function of its arguments, throws nothing but std::bad_alloc, and may be called from any
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "vernier/decision_table.hpp"
#include "vernier/diagnostic.hpp"
#include "vernier/names.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier {

inline constexpr std::size_t kMaxPolicyBytes = 1u << 20;
inline constexpr std::size_t kMaxLineBytes = 4096;
inline constexpr std::size_t kMaxInlineBytes = 96u << 10;  // of base64 text, after "inline:"
inline constexpr std::size_t kMaxRules = 4000;
inline constexpr int kMaxNesting = 16;
inline constexpr int kMaxChannels = 64;  // NCCL's MAXCHANNELS from 2.25 on
inline constexpr int kMaxAlignment = 128;

// What a calibration saw; for people and for lint, never for a decision.
struct Evidence {
  std::optional<double> default_us;
  std::optional<double> tuned_us;
  std::optional<double> ratio_low;  // of default over tuned, 95 % interval
  std::optional<double> ratio_high;
  std::optional<std::int64_t> samples;
};

struct Rule {
  Collective collective;
  std::uint64_t min_bytes;           // inclusive; total bytes, as NCCL's tuner sees them: for
  std::uint64_t max_bytes;           // allgather and reducescatter that is ranks x per-rank bytes
  std::optional<int> ranks;          // absent: any
  std::optional<int> nodes;          // absent: any
  std::optional<Choice> instead_of;  // absent: whatever NCCL's own choice is
  Choice choice;
  std::optional<int> channels;   // 1 to 64; absent: NCCL's number
  std::optional<int> alignment;  // 2 to 128; absent: 1. See is_aligned()
  std::optional<Evidence> evidence;
  Location where;  // of its [[rule]]

  [[nodiscard]] bool matches_shape(int nranks, int nnodes) const {
    return ranks.value_or(nranks) == nranks && nodes.value_or(nnodes) == nnodes;
  }

  [[nodiscard]] bool matches_bytes(std::uint64_t nbytes) const {
    return min_bytes <= nbytes && nbytes <= max_bytes;
  }

  // Whether the part of each of `nranks` ranks is a multiple of `alignment` bytes.
  [[nodiscard]] bool is_aligned(std::uint64_t nbytes, int nranks) const {
    return !alignment ||
           nbytes % (static_cast<std::uint64_t>(*alignment) * static_cast<std::uint64_t>(nranks)) ==
               0;
  }
};

using Scalar = std::variant<std::string, std::int64_t, double, bool>;

struct Policy {
  std::string name;
  std::optional<std::string> gpu;  // [match] gpu: exact, or a prefix followed by *
  std::optional<NcclVersionRange> nccl;
  std::map<std::string, std::string> environment;
  std::vector<std::pair<std::string, Scalar>> measured_on;  // in the order of the file
  std::vector<Rule> rules;                                  // in the order of the file
};

struct ParsedPolicy {
  std::optional<Policy> policy;  // set exactly when there is no error
  Diagnostics errors;            // the first syntax error, or every semantic one, by line
};

// Reads schema 1. Hostile text is safe: limits are checked before the TOML parser sees it.
[[nodiscard]] ParsedPolicy parse_policy(std::string_view text);

// Warnings about a valid policy, by line.
[[nodiscard]] Diagnostics lint(const Policy& policy);

// Indices of rule pairs (earlier, later) that can match the same call; at most one pair per later
// rule. Empty for a parsed policy.
[[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> find_overlaps(
    const std::vector<Rule>& rules);

// TOML text that parses back to the same policy, in the order of the model.
enum class WithEvidence : bool { no, yes };
[[nodiscard]] std::string write_policy(const Policy& policy, WithEvidence evidence);

// "sha256:" and 64 hex digits over the deciding fields in canonical form. Names, evidence,
// measured_on, comments and order do not change it.
[[nodiscard]] std::string digest(const Policy& policy);

// The value of NCCL_VERNIER_POLICY that carries the policy itself: "inline:" and the base64 of its
// text without evidence. nullopt when that exceeds kMaxInlineBytes.
inline constexpr std::string_view kInlinePrefix = "inline:";
[[nodiscard]] std::optional<std::string> encode_inline(const Policy& policy);

// The text in such a value, given without the prefix; nullopt when it is not base64 or too long.
[[nodiscard]] std::optional<std::string> decode_inline(std::string_view base64);

// NCCL 2.29 and 2.30 ask about an AllGatherV as an AllGather and use the channel number unclamped,
// so that there `channels` of allgather rules has to be ignored.
enum class AllGatherChannels : bool { ignore, keep };

// What holds for an NCCL; an unknown version may be one of those that do not check.
[[nodiscard]] AllGatherChannels allgather_channels(std::optional<int> nccl_version);

// The rules for one communicator shape, ready to be searched.
[[nodiscard]] DecisionTable compile(const Policy& policy, int nranks, int nnodes,
                                    AllGatherChannels allgather_channels);

// Whether `name` is `pattern`, or starts with it where it ends in *.
[[nodiscard]] bool gpu_matches(std::string_view pattern, std::string_view name);

// "64KiB", "3MiB", "1000": the shortest exact spelling.
[[nodiscard]] std::string format_bytes(std::uint64_t nbytes);

// Bytes as an integer with an optional unit B, KiB, MiB or GiB; nullopt for any other text.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);

// "ring/ll128", and back; nullopt for any other text.
[[nodiscard]] std::string format_choice(Choice choice);
[[nodiscard]] std::optional<Choice> parse_choice(std::string_view text);

}  // namespace vernier
