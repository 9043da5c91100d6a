// SPDX-License-Identifier: Apache-2.0
//
// Policies as tests write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vernier::contract {

// A [[rule]], spelled as in a file; an empty field is left out. As it stands: tree/ll for every
// allreduce.
struct RuleText {
  std::string collective = "allreduce";
  std::string min_bytes = "\"1B\"";
  std::string max_bytes = "\"1GiB\"";
  std::string ranks;
  std::string nodes;
  std::string instead_of;
  std::string algorithm = "tree";
  std::string protocol = "ll";
  std::string channels;
  std::string alignment;
};

// schema 1, with `head` (tables such as [match]) before the rules.
[[nodiscard]] std::string policy_text(const std::vector<RuleText>& rules,
                                      std::string_view head = {});

// The value of NCCL_VERNIER_POLICY that carries `text`, whatever it is. Written anew rather than
// with vernier::encode_inline, which refuses what is no policy.
[[nodiscard]] std::string inline_value(std::string_view text);

}  // namespace vernier::contract
