// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/environment_judges.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "tools/doctor/environment_values.hpp"
#include "vernier/env_selection.hpp"

namespace vernier::doctor::judge {
namespace {

std::optional<std::string_view> other(const Facts& facts, const char* name) {
  const auto found = facts.environment.find(name);
  if (found == facts.environment.end()) return std::nullopt;
  return found->second.value;
}

// Our names have underscores, NCCL's have none; EnvSelection takes both.
std::string problem_of(const EnvSelection& selection, Value value) {
  if (!selection.problem().empty()) return selection.problem();
  return value.find('_') != value.npos ? "NCCL's names have no underscore" : "";
}

// Algorithms or protocols that a value takes from allreduce.
template <typename Enum, std::size_t N>
std::string excluded(const EnvSelection& selection, const std::array<std::string_view, N>& names,
                     Choice (*choice)(Enum)) {
  std::vector<std::string_view> gone;
  for (std::size_t i = 0; i < N; ++i) {
    if (!selection.allows(Collective::allreduce, choice(static_cast<Enum>(i)))) {
      gone.push_back(names[i]);
    }
  }
  if (gone.empty()) return {};
  return fmt::format("excludes {} at every size", fmt::join(gone, ", "));
}

}  // namespace

std::string is_set(Value, const Facts&) { return "is set"; }
std::string is_on(Value value, const Facts&) {
  return value.empty() || value == "0" ? "" : "is on";
}
std::string is_zero(Value value, const Facts&) { return value == "0" ? "is off" : ""; }
std::string is_one(Value value, const Facts&) { return value == "1" ? "is set" : ""; }

std::string algo_invalid(Value value, const Facts&) {
  return problem_of(EnvSelection(value, {}), value);
}
std::string proto_invalid(Value value, const Facts&) {
  return problem_of(EnvSelection({}, value), value);
}

std::string algo_stops(Value value, const Facts& facts) {
  const EnvSelection selection(value, other(facts, "NCCL_PROTO"));
  if (!selection.problem().empty()) return {};
  std::vector<std::string_view> stopped;
  for (std::size_t c = 0; c < kCollectiveNames.size(); ++c) {
    bool any = false;
    for (std::size_t a = 0; a < kAlgorithmNames.size(); ++a) {
      for (std::size_t p = 0; p < kProtocolNames.size(); ++p) {
        const Choice choice{static_cast<Algorithm>(a), static_cast<Protocol>(p)};
        const auto collective = static_cast<Collective>(c);
        any = any || (is_possible(collective, choice) && selection.allows(collective, choice));
      }
    }
    if (!any) stopped.push_back(kCollectiveNames[c]);
  }
  if (stopped.empty()) return {};
  return fmt::format("leaves no algorithm for {}", fmt::join(stopped, ", "));
}

std::string algo_names_some(Value value, const Facts&) {
  const std::string first = value.substr(0, value.find(';'));
  return first.find(':') != first.npos ? "names some collectives only" : "";
}

std::string algo_hides(Value value, const Facts&) {
  const EnvSelection selection(value, {});
  return excluded<Algorithm>(selection, kAlgorithmNames, [](Algorithm a) {
    return Choice{a, Protocol::simple};
  });
}

std::string proto_hides(Value value, const Facts&) {
  const EnvSelection selection({}, value);
  const std::string gone = excluded<Protocol>(selection, kProtocolNames, [](Protocol p) {
    return Choice{Algorithm::ring, p};
  });
  if (gone.empty()) return {};
  const auto has = [&](Protocol p) {
    return selection.allows(Collective::allreduce, {Algorithm::ring, p});
  };
  const std::string text = gone + ": rules that choose these do nothing";
  if (has(Protocol::ll128) || has(Protocol::simple) == has(Protocol::ll)) return text;
  return text + (has(Protocol::simple) ? "; Simple alone loses 30 % below 16 KiB"
                                       : "; LL alone loses 20-fold above 128 KiB");
}

std::string proto_ll128_unsafe(Value value, const Facts& facts) {
  const bool no_nvlink =
      facts.gpus.size() > 1 && std::all_of(facts.gpus.begin(), facts.gpus.end(),
                                           [](const GpuFacts& gpu) { return gpu.nvlinks.empty(); });
  return no_nvlink && EnvSelection({}, value).forces_ll128() ? "forces LL128 on GPUs without NVLink"
                                                             : "";
}

std::string nvls_without_algo(Value value, const Facts& facts) {
  const auto algo = other(facts, "NCCL_ALGO");
  if (!algo || value.empty() || value == "0") return {};
  const EnvSelection selection(*algo, {});
  if (selection.allows(Collective::allreduce, {Algorithm::nvls, Protocol::simple})) return {};
  return fmt::format("is on, and NCCL_ALGO={} excludes NVLS", *algo);
}

std::string fewer_threads(Value value, const Facts&) {
  const auto threads = number(value);
  if (threads && *threads >= 512) return {};
  return "is below the default of 512";
}

std::string few_channels(Value value, const Facts&) {
  const auto channels = number(value);
  return channels && *channels > 0 && *channels < 16 ? "caps every size" : "";
}

std::string collnet_without_plugin(Value value, const Facts& facts) {
  if (value.empty() || value == "0") return {};
  for (const NcclLibrary& library : facts.nccl) {
    for (const std::string& symbol : library.net.content.value.nccl_symbols) {
      if (symbol.starts_with("ncclCollNetPlugin")) return {};
    }
  }
  return "is on, and no net plugin here offers CollNet";
}

std::string debug_invalid(Value value, const Facts&) {
  constexpr std::array<std::string_view, 5> kLevelsOfDebug = {"version", "warn", "info", "abort",
                                                              "trace"};
  const std::string word = lower(value);
  if (word.empty() ||
      std::find(kLevelsOfDebug.begin(), kLevelsOfDebug.end(), word) != kLevelsOfDebug.end()) {
    return {};
  }
  return "is none of VERSION, WARN, INFO, ABORT, TRACE";
}

std::string debug_trace(Value value, const Facts&) {
  return lower(value) == "trace" ? "asks for what release builds leave out" : "";
}

std::string nowin_without_policy(Value value, const Facts& facts) {
  if (value.empty() || value == "0" || other(facts, "NCCL_VERNIER_POLICY")) return {};
  return "is on without a policy";
}

std::string efficiency_with_tuner(Value value, const Facts& facts) {
  const std::string word = lower(value);
  if (word != "1" && word.find("efficiency") == word.npos) return {};
  for (const NcclLibrary& library : facts.nccl) {
    if (!library.tuner.symbol.empty() || library.tuner.built_in) return "is set beside a tuner";
  }
  return {};
}

}  // namespace vernier::doctor::judge
