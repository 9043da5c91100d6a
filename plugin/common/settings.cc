// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace vernier {

std::optional<Mode> parse_mode(std::string_view text) {
  if (text == "apply") return Mode::apply;
  if (text == "observe") return Mode::observe;
  if (text == "off") return Mode::off;
  return std::nullopt;
}

namespace {

// A whole number from 1 to `max`; nothing else around it.
std::optional<int> parse_positive(std::string_view text, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<int> parse_timeout_ms(std::string_view text) {
  return parse_positive(text, kMaxTimeoutMs);
}

std::optional<int> parse_log_mb(std::string_view text) { return parse_positive(text, kMaxLogMb); }

std::optional<ProfileMode> parse_profile_mode(std::string_view text) {
  constexpr std::string_view kSampled = "sampled";
  if (text == "counts") return ProfileMode{};
  if (text == "full") return ProfileMode{0, true, false};
  if (text == "full:raw") return ProfileMode{0, true, true};
  if (text == kSampled) return ProfileMode{kDefaultSampleEvery, false, false};
  if (!text.starts_with("sampled:")) return std::nullopt;
  const auto every = parse_positive(text.substr(kSampled.size() + 1), kMaxSampleEvery);
  if (!every) return std::nullopt;
  return ProfileMode{static_cast<std::uint32_t>(*every), false, false};
}

std::optional<std::string> get_env(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

std::vector<std::string> find_unknown_variables() {
  std::vector<std::string> unknown;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (!name.starts_with("NCCL_VERNIER_")) continue;
    const bool known = std::any_of(kVariables.begin(), kVariables.end(),
                                   [name](const Variable& v) { return v.name == name; });
    if (!known) unknown.emplace_back(name);
  }
  return unknown;
}

}  // namespace vernier
