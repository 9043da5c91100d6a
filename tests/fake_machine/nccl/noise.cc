// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/noise.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "tests/fake_machine/environment.hpp"

namespace vernier::fake_machine {
namespace {

constexpr double kLaunchSigmaAcrossNodes = 0.02;
constexpr double kLaunchSigmaOneNode = 0.005;
constexpr double kSlowCaptureShare = 0.3;
constexpr double kSlowCapture = 0.10;
constexpr double kReplaySigma = 0.01;

enum : std::uint64_t { kLaunch = 1, kCapture, kReplay, kEager };

}  // namespace

// The finalizer of SplitMix64.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a * 0x9E3779B97F4A7C15u + b + 0xD1B54A32D192ED03u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

Noise::Noise(std::uint64_t seed, int nodes, int rank)
    : seed_(seed),
      rank_(static_cast<std::uint64_t>(rank)),
      launch_sigma_(nodes > 1 ? kLaunchSigmaAcrossNodes : kLaunchSigmaOneNode),
      scale_(std::strtod(env_text("FAKE_NCCL_NOISE", "1").c_str(), nullptr)) {}

double Noise::uniform(std::uint64_t purpose, std::uint64_t number) const {
  return static_cast<double>(mix(mix(seed_, purpose), number) >> 11) * 0x1p-53;
}

double Noise::normal(std::uint64_t purpose, std::uint64_t number) const {
  const double radius = std::sqrt(-2 * std::log(1 - uniform(purpose, 2 * number)));
  const double angle = 2 * std::numbers::pi * uniform(purpose, 2 * number + 1);
  return std::clamp(radius * std::cos(angle), -4.0, 4.0);
}

double Noise::factor(int cell, const Run& run) {
  // The same on every rank.
  double factor = 1 + scale_ * launch_sigma_ * normal(kLaunch, static_cast<std::uint64_t>(cell));
  if (run.graph == 0) {
    return factor * (1 + scale_ * kReplaySigma * normal(kEager, mix(rank_, ++eager_calls_)));
  }
  if (uniform(kCapture, run.graph) < kSlowCaptureShare) factor *= 1 + scale_ * kSlowCapture;
  const std::uint64_t replay = mix(mix(rank_, run.graph), run.replay);
  return factor * (1 + scale_ * kReplaySigma * normal(kReplay, replay));
}

}  // namespace vernier::fake_machine
