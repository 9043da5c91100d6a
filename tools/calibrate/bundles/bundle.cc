// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/bundle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <stdexcept>

#include "tools/common/json_input.hpp"
#include "tools/common/json_members.hpp"
#include "vernier/env_selection.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr JsonBounds kBounds{4, 4096};
constexpr std::array<std::string_view, 5> kKeys = {"name", "variables", "nccl", "safe", "source"};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

void check_name(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '+' || c == '.';
  });
  if (name.empty() || name.size() > kMaxName || !plain) {
    throw std::invalid_argument(
        fmt::format("\"{}\" is no name of a bundle: allowed are 1 to {} letters, digits, - _ + .",
                    name, kMaxName));
  }
}

void add_variable(Bundle& bundle, const std::string& text) {
  const auto [name, value] = parse_variable(text);
  if (!bundle.variables.emplace(name, value).second) {
    throw std::invalid_argument(fmt::format("{} is there twice", name));
  }
}

void refuse_unknown_keys(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      throw Malformed(
          fmt::format("key {} is not known: allowed are name, variables, nccl, safe, "
                      "source",
                      shown(key)));
    }
  }
}

}  // namespace

std::pair<std::string, std::string> parse_variable(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isupper(c) != 0 || std::isdigit(c) != 0 || c == '_';
  });
  if (equals == std::string::npos || !text.starts_with("NCCL_") || !plain) {
    throw std::invalid_argument(fmt::format("\"{}\": allowed is NCCL_NAME=VALUE", text));
  }
  if (name == "NCCL_TUNER_PLUGIN" || name.starts_with("NCCL_VERNIER_") || name == "NCCL_HOSTID" ||
      name.starts_with("NCCL_DEBUG")) {
    throw std::invalid_argument(fmt::format("{} is set by the measuring itself", name));
  }
  return {name, text.substr(equals + 1)};
}

Bundle parse_bundle(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw std::invalid_argument(
        fmt::format("\"{}\": allowed is \"NAME: NCCL_A=1 NCCL_B=2\"", text));
  }
  Bundle bundle;
  bundle.name = trimmed(text.substr(0, colon));
  bundle.source = "the command line";
  check_name(bundle.name);
  std::istringstream words(text.substr(colon + 1));
  for (std::string word; words >> word;) add_variable(bundle, word);
  if (bundle.variables.empty()) {
    throw std::invalid_argument(fmt::format("bundle \"{}\" has no variable", bundle.name));
  }
  return bundle;
}

Bundle bundle_of(const Json& json) {
  if (!json.is_object()) throw Malformed("a bundle is not an object");
  Bundle bundle;
  bundle.name = text(json, "name");
  try {
    check_name(bundle.name);
    refuse_unknown_keys(json);
    const Json& variables = member(json, "variables");
    if (!variables.is_array() || variables.empty()) {
      throw Malformed("\"variables\" is not a list of NCCL_NAME=VALUE");
    }
    for (const Json& variable : variables) {
      if (!variable.is_string()) throw Malformed("a variable is not text");
      add_variable(bundle, variable.get<std::string>());
    }
    if (json.contains("nccl")) {
      bundle.nccl = NcclVersionRange::parse(text(json, "nccl"));
      if (!bundle.nccl) throw Malformed("\"nccl\" is no range of versions such as >=2.29,<2.32");
    }
    bundle.safe = text(json, "safe");
    bundle.source = text(json, "source");
    if (bundle.safe.empty() || bundle.source.empty()) {
      throw Malformed("\"safe\" and \"source\" have to say something");
    }
  } catch (const std::exception& problem) {
    throw Malformed(fmt::format("bundle {}: {}", shown(bundle.name), problem.what()));
  }
  return bundle;
}

std::vector<Bundle> parse_bundles(std::string_view text) {
  const Json document = parse_json_bounded(text, kBounds);
  if (!document.is_object() || document.value("vernier_bundles", Json()) != Json(1)) {
    throw Malformed("no file of bundles: \"vernier_bundles\" is not 1");
  }
  for (const auto& [key, value] : document.items()) {
    if (key != "vernier_bundles" && key != "bundles") {
      throw Malformed(fmt::format("key {} is not known: allowed is bundles", shown(key)));
    }
  }
  const Json& list = member(document, "bundles");
  if (!list.is_array()) throw Malformed("\"bundles\" is not a list");
  std::vector<Bundle> bundles;
  for (const Json& one : list) bundles.push_back(bundle_of(one));
  return bundles;
}

Json to_json(const Bundle& bundle) {
  Json json{{"name", bundle.name}, {"variables", Json::array()}};
  for (const auto& [name, value] : bundle.variables) {
    json["variables"].push_back(name + "=" + value);
  }
  json["safe"] = bundle.safe;
  json["source"] = bundle.source;
  return json;
}

std::string variables_text(const Bundle& bundle) {
  std::string text;
  for (const auto& [name, value] : bundle.variables) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  }
  return text;
}

bool forces_ll128(const Bundle& bundle) {
  const auto protocols = bundle.variables.find("NCCL_PROTO");
  if (protocols == bundle.variables.end()) return false;
  return EnvSelection({}, protocols->second).forces_ll128();
}

}  // namespace vernier::calibrate
