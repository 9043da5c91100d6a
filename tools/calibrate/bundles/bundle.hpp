// SPDX-License-Identifier: Apache-2.0
//
// Environment bundles: sets of variables, each tried as a whole. docs/bundles-format.md is the
// format of files with them; shipped.json is the one that comes with vernier.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/common/output.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::calibrate {

inline constexpr std::string_view kAlwaysSafe = "always";

struct Bundle {
  std::string name;
  std::map<std::string, std::string> variables;
  std::optional<NcclVersionRange> nccl;  // of which it is known; absent: any
  std::string safe{kAlwaysSafe};         // or the condition under which results stay right
  std::string source;                    // who says so
  [[nodiscard]] bool is_conditional() const { return safe != kAlwaysSafe; }
};

// NCCL_NAME=VALUE, but for names that the measuring itself sets. Throws std::invalid_argument.
[[nodiscard]] std::pair<std::string, std::string> parse_variable(const std::string& text);

// "NAME: NCCL_A=1 NCCL_B=2", as --env-bundle takes it. Throws std::invalid_argument.
[[nodiscard]] Bundle parse_bundle(const std::string& text);

// Of a file. Throws Malformed, which says in which bundle and what is allowed.
[[nodiscard]] std::vector<Bundle> parse_bundles(std::string_view text);

// As in a file, but for where it applies.
[[nodiscard]] Json to_json(const Bundle& bundle);
[[nodiscard]] Bundle bundle_of(const Json& json);

// The text of shipped.json.
extern const std::string_view kShippedBundles;

// "NCCL_A=1 NCCL_B=2"
[[nodiscard]] std::string variables_text(const Bundle& bundle);

// Whether it makes NCCL use LL128 wherever a call can, also where NCCL holds it to be unsafe.
[[nodiscard]] bool forces_ll128(const Bundle& bundle);

}  // namespace vernier::calibrate
