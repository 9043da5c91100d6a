// SPDX-License-Identifier: Apache-2.0
#include "tools/workload/traffic_format.hpp"

#include <fmt/format.h>

#include <set>

#include "tools/common/json_input.hpp"
#include "tools/common/json_members.hpp"

namespace vernier::workload {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kMaxRanks = 1u << 24;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 60;
constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 52;  // whole in a double, too
constexpr std::size_t kMaxLabel = 200;

const std::set<std::string_view> kTrafficKeys = {"vernier_traffic",
                                                 "source",
                                                 "assumed",
                                                 "sizes",
                                                 "steps",
                                                 "collective",
                                                 "bytes",
                                                 "ranks",
                                                 "nodes",
                                                 "calls",
                                                 "captured",
                                                 "calls_per_process",
                                                 "phase",
                                                 "tokens",
                                                 "label",
                                                 "to",
                                                 "captured_per_process"};

const Json& list(const Json& json, const char* name) {
  const Json& value = member(json, name);
  if (!value.is_array()) throw Malformed(fmt::format("\"{}\" is not a list", name));
  return value;
}

const Json& object(const Json& json, const char* what) {
  if (!json.is_object()) throw Malformed(fmt::format("one of \"{}\" is not an object", what));
  return json;
}

// For people: what it says is not judged, but it ends on terminals and in policies.
std::string label(const Json& json, const char* name) {
  std::string words = text(json, name);
  if (words.size() > kMaxLabel) {
    throw Malformed(fmt::format("\"{}\" is longer than {} bytes", name, kMaxLabel));
  }
  if (printable(words) != words)
    throw Malformed(fmt::format("\"{}\" has control characters", name));
  return words;
}

Collective collective_of(const Json& json) {
  const std::string name = text(json, "collective");
  const auto collective = find_collective(name);
  if (!collective) {
    throw Malformed(fmt::format("\"collective\" is {}: not known", shown(json["collective"])));
  }
  return *collective;
}

std::uint64_t nbytes_of(const Json& json) {
  const std::uint64_t nbytes = natural(json, "bytes", kMaxBytes);
  if (nbytes == 0) throw Malformed("\"bytes\" is 0");
  return nbytes;
}

Size size_of(const Json& json) {
  Size size{collective_of(json),
            nbytes_of(json),
            static_cast<int>(natural(json, "ranks", kMaxRanks)),
            static_cast<int>(natural(json, "nodes", kMaxRanks)),
            natural(json, "calls_per_process", kMaxCount),
            natural(json, "captured_per_process", kMaxCount)};
  if (size.captured > size.calls) {
    throw Malformed("\"captured_per_process\" is more than \"calls_per_process\"");
  }
  return size;
}

Call call_of(const Json& json) {
  const Json& captured = member(json, "captured");
  if (!captured.is_boolean()) throw Malformed("\"captured\" is not true or false");
  return {collective_of(json),
          nbytes_of(json),
          static_cast<int>(natural(json, "ranks", kMaxRanks)),
          static_cast<int>(natural(json, "nodes", kMaxRanks)),
          natural(json, "calls", kMaxCount),
          captured.get<bool>(),
          label(json, "label"),
          label(json, "to")};
}

Step step_of(const Json& json) {
  const std::string name = text(json, "phase");
  const auto phase = find_name<Phase>(kPhaseNames, name);
  if (!phase) throw Malformed(fmt::format("\"phase\" is {}: not known", shown(json["phase"])));
  Step step{*phase, natural(json, "tokens", kMaxCount), {}};
  for (const Json& call : list(json, "calls")) step.calls.push_back(call_of(object(call, "calls")));
  return step;
}

Json to_json(const Call& call) {
  return {{"collective", name_of(call.collective)},
          {"bytes", call.nbytes},
          {"ranks", call.ranks},
          {"nodes", call.nodes},
          {"calls", call.calls},
          {"captured", call.captured},
          {"label", call.label},
          {"to", call.backend}};
}

}  // namespace

Json to_json(const Workload& workload) {
  Json json{{"vernier_traffic", kVersion}, {"source", workload.source}};
  if (!workload.assumed.empty()) json["assumed"] = workload.assumed;
  json["sizes"] = Json::array();
  for (const Size& size : workload.sizes) {
    json["sizes"].push_back({{"collective", name_of(size.collective)},
                             {"bytes", size.nbytes},
                             {"ranks", size.ranks},
                             {"nodes", size.nodes},
                             {"calls_per_process", size.calls},
                             {"captured_per_process", size.captured}});
  }
  for (const Step& step : workload.steps) {
    Json calls = Json::array();
    for (const Call& call : step.calls) calls.push_back(to_json(call));
    json["steps"].push_back(
        {{"phase", name_of(step.phase)}, {"tokens", step.tokens}, {"calls", std::move(calls)}});
  }
  return json;
}

Workload traffic_of(const Json& json) {
  if (!json.is_object() || !json.contains("vernier_traffic")) {
    throw Malformed(
        "no \"vernier_traffic\": allowed is what `vernier workload --json` and `vernier profile "
        "suggest` print");
  }
  const std::uint64_t version = natural(json, "vernier_traffic", kMaxCount);
  if (version != kVersion) {
    throw Malformed(fmt::format("format version {}; this vernier reads {}", version, kVersion));
  }
  Workload workload;
  workload.source = label(json, "source");
  if (json.contains("assumed")) {
    for (const Json& sentence : list(json, "assumed")) {
      if (!sentence.is_string()) throw Malformed("one of \"assumed\" is not a string");
      workload.assumed.push_back(sentence.get<std::string>());
    }
  }
  for (const Json& size : list(json, "sizes")) {
    workload.sizes.push_back(size_of(object(size, "sizes")));
  }
  if (json.contains("steps")) {
    for (const Json& step : list(json, "steps")) {
      workload.steps.push_back(step_of(object(step, "steps")));
    }
  }
  return workload;
}

Workload parse_traffic(std::string_view text) { return traffic_of(parse_keys(text, kTrafficKeys)); }

}  // namespace vernier::workload
