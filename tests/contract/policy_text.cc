// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/policy_text.hpp"

#include <cstdint>

namespace vernier::contract {

std::string policy_text(const std::vector<RuleText>& rules, std::string_view head) {
  std::string text = "schema = 1\nname = \"contract\"\n" + std::string(head) + "\n";
  const auto number = [&text](const char* key, const std::string& value) {
    if (!value.empty()) text += std::string(key) + " = " + value + "\n";
  };
  const auto name = [&number](const char* key, const std::string& value) {
    if (!value.empty()) number(key, '"' + value + '"');
  };
  for (const RuleText& rule : rules) {
    text += "[[rule]]\n";
    name("collective", rule.collective);
    number("min_bytes", rule.min_bytes);
    number("max_bytes", rule.max_bytes);
    number("ranks", rule.ranks);
    number("nodes", rule.nodes);
    name("instead_of", rule.instead_of);
    name("algorithm", rule.algorithm);
    name("protocol", rule.protocol);
    number("channels", rule.channels);
    number("alignment", rule.alignment);
  }
  return text;
}

std::string inline_value(std::string_view text) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string value = "inline:";
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      const unsigned byte = i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0u;
      group = group << 8 | byte;
    }
    for (std::size_t j = 0; j < 4; ++j) {
      const bool padding = i + j > text.size();
      value += padding ? '=' : kDigits[group >> (18 - 6 * j) & 63u];
    }
  }
  return value;
}

}  // namespace vernier::contract
