// SPDX-License-Identifier: Apache-2.0
//
// Every environment variable the plugins read, in one place. README.md's table is tested against
// kVariables.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vernier {

struct Variable {
  std::string_view name;
  std::string_view meaning;
};

// Their prefix is NCCL_ because Ray copies variables of that prefix to its workers.
inline constexpr std::array<Variable, 6> kVariables = {{
    {"NCCL_VERNIER_POLICY", "policy: a path, or inline: and base64"},
    {"NCCL_VERNIER_MODE", "apply (default), observe or off"},
    {"NCCL_VERNIER_AGREE_TIMEOUT_MS", "how long ranks of a node wait for one another (10000)"},
    {"NCCL_VERNIER_PROFILE", "counts (default), sampled[:N], full or full:raw"},
    {"NCCL_VERNIER_LOG_DIR", "where the plugins write"},
    {"NCCL_VERNIER_LOG_MAX_MB", "how much of full:raw is kept"},
}};

enum class Mode { apply, observe, off };

// nullopt for a text that is none of the three.
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view text);

// A value of NCCL_VERNIER_AGREE_TIMEOUT_MS: 1 to kMaxTimeoutMs; nullopt for any other text.
inline constexpr int kDefaultTimeoutMs = 10'000;
inline constexpr int kMaxTimeoutMs = 600'000;
[[nodiscard]] std::optional<int> parse_timeout_ms(std::string_view text);

// A value of NCCL_VERNIER_PROFILE: counts, sampled, sampled:N with N from 1 to kMaxSampleEvery,
// full or full:raw; nullopt for any other text.
struct ProfileMode {
  std::uint32_t sample_every = 0;  // one launch in so many is timed; 0: none
  bool full = false;               // every kernel is
  bool raw = false;                // and each is kept
};
inline constexpr std::uint32_t kDefaultSampleEvery = 64;
inline constexpr std::uint32_t kMaxSampleEvery = 1'000'000;
[[nodiscard]] std::optional<ProfileMode> parse_profile_mode(std::string_view text);

// A value of NCCL_VERNIER_LOG_MAX_MB: 1 to kMaxLogMb.
inline constexpr int kDefaultLogMb = 64;
inline constexpr int kMaxLogMb = 1'000'000;
[[nodiscard]] std::optional<int> parse_log_mb(std::string_view text);

// The value of an environment variable, or nullopt. NCCL has copied its nccl.conf files into the
// environment by the time it loads a plugin.
[[nodiscard]] std::optional<std::string> get_env(const char* name);

// Variables of the environment that start with NCCL_VERNIER_ and are not in kVariables.
[[nodiscard]] std::vector<std::string> find_unknown_variables();

}  // namespace vernier
