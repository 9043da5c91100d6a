// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/rule_text.hpp"

#include <fmt/format.h>

namespace vernier {
namespace {

// Three digits, which is what a measurement is good for.
std::string microseconds(double us) {
  return fmt::format("{:.{}f}", us, us >= 100 ? 0 : us >= 10 ? 1 : 2);
}

}  // namespace

std::string count_of(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string shape_text(std::optional<int> ranks, std::optional<int> nodes) {
  return (ranks ? count_of(*ranks, "rank") : "any ranks") + ", " +
         (nodes ? count_of(*nodes, "node") : "any nodes");
}

std::string bytes_text(std::uint64_t min_bytes, std::uint64_t max_bytes) {
  return fmt::format("{} to {}", format_bytes(min_bytes), format_bytes(max_bytes));
}

std::string choice_text(Choice choice, std::optional<int> channels) {
  return format_choice(choice) + (channels ? ", " + count_of(*channels, "channel") : "");
}

std::string gain_text(const std::optional<Evidence>& evidence) {
  if (!evidence) return {};
  std::string text;
  if (evidence->default_us && evidence->tuned_us) {
    text = fmt::format("{} -> {} us", microseconds(*evidence->default_us),
                       microseconds(*evidence->tuned_us));
  }
  if (evidence->ratio_low && evidence->ratio_high) {
    text += fmt::format("{}{:.2f} to {:.2f} x", text.empty() ? "" : ", ", *evidence->ratio_low,
                        *evidence->ratio_high);
  }
  return text;
}

std::string scalar_text(const Scalar& value) {
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
}

}  // namespace vernier
