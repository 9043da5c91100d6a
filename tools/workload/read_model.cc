// SPDX-License-Identifier: Apache-2.0
//
// config.json, which is not trusted: only the keys that are read here are kept at all.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/common/input.hpp"
#include "tools/common/json_input.hpp"
#include "tools/common/json_members.hpp"
#include "tools/workload/model.hpp"
#include "vernier/diagnostic.hpp"

namespace vernier::workload {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
constexpr std::uint64_t kMaxHiddenSize = 1u << 20;
constexpr std::uint64_t kMaxLayers = 10'000;
constexpr std::uint64_t kMaxVocabulary = 1u << 24;
constexpr std::uint64_t kMaxExperts = 1u << 16;
constexpr std::size_t kMaxTypeLength = 64;

const std::set<std::string_view> kModelKeys = {
    "model_type",       "hidden_size",         "num_hidden_layers",
    "vocab_size",       "torch_dtype",         "dtype",
    "text_config",      "num_experts",         "num_local_experts",
    "n_routed_experts", "num_experts_per_tok", "first_k_dense_replace",
    "moe_layer_freq",   "decoder_sparse_step", "mlp_only_layers"};

// Those whose collectives were looked at in vLLM.
constexpr std::array<std::string_view, 4> kKnownTypes = {"llama", "qwen3_moe", "gpt_oss",
                                                         "deepseek_v3"};

bool stated(const Json& json, const char* name) {
  return json.contains(name) && !json[name].is_null();
}

std::uint64_t positive(const Json& json, const char* name, std::uint64_t max) {
  const Json& value = member(json, name);
  if (!value.is_number_unsigned() || value == 0 || value.get<std::uint64_t>() > max) {
    throw Malformed(fmt::format("\"{}\" is {}: allowed is a whole number from 1 to {}", name,
                                shown(value), max));
  }
  return value.get<std::uint64_t>();
}

std::uint64_t positive_or(const Json& json, const char* name, std::uint64_t max,
                          std::uint64_t otherwise) {
  return stated(json, name) ? positive(json, name, max) : otherwise;
}

std::string type_of(const Json& json) {
  const std::string type = text(json, "model_type");
  const bool plain = !type.empty() && type.size() <= kMaxTypeLength &&
                     std::all_of(type.begin(), type.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
                     });
  if (!plain) {
    throw Malformed(fmt::format(
        "\"model_type\" is {}: allowed are 1 to {} letters, digits, \"_\", \"-\", \".\"",
        shown(json["model_type"]), kMaxTypeLength));
  }
  return type;
}

void read_data_type(const Json& json, Model& model) {
  const char* const key = stated(json, "torch_dtype") ? "torch_dtype" : "dtype";
  if (!stated(json, key)) {
    model.assumed.push_back("bfloat16: config.json has no \"torch_dtype\"");
    return;
  }
  const std::string name = text(json, key);
  if (name != "bfloat16" && name != "float16" && name != "float32") {
    throw Malformed(
        fmt::format("\"{}\" is {}: allowed are bfloat16, float16, float32", key, shown(json[key])));
  }
  model.bfloat16 = name == "bfloat16";
  model.element_bytes = name == "float32" ? 4 : 2;
  if (name == "float32") {
    model.assumed.push_back(
        "float32, as config.json says; an engine that serves it in 16 bits sends half");
  }
}

// Layers whose MLP is a mixture of experts: DeepSeek counts from a first one, Qwen leaves some out.
std::uint64_t count_moe_layers(const Json& json, std::uint64_t layers) {
  std::uint64_t first = 0;
  if (stated(json, "first_k_dense_replace")) {
    first = natural(json, "first_k_dense_replace", layers);
  }
  const std::uint64_t every = positive_or(json, "moe_layer_freq", kMaxLayers, 1);
  const std::uint64_t step = positive_or(json, "decoder_sparse_step", kMaxLayers, 1);
  std::set<std::uint64_t> dense;
  if (stated(json, "mlp_only_layers")) {
    for (const Json& layer : json["mlp_only_layers"]) {
      if (!layer.is_number_unsigned()) {
        throw Malformed("\"mlp_only_layers\" is not a list of layer numbers");
      }
      dense.insert(layer.get<std::uint64_t>());
    }
  }
  std::uint64_t count = 0;
  for (std::uint64_t layer = first; layer < layers; ++layer) {
    if (layer % every == 0 && (layer + 1) % step == 0 && !dense.contains(layer)) ++count;
  }
  return count;
}

void read_experts(const Json& json, Model& model) {
  for (const char* const key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (stated(json, key)) model.experts = natural(json, key, kMaxExperts);
  }
  model.moe_hidden_size = model.hidden_size;
  if (model.experts == 0) return;
  model.experts_per_token = positive(json, "num_experts_per_tok", model.experts);
  model.moe_layers = count_moe_layers(json, model.layers);
  if (model.type == "gpt_oss" && model.hidden_size == 2880) {
    model.moe_hidden_size = 3072;
    model.assumed.push_back(
        "experts padded from 2880 to 3072, as in vLLM's MXFP4 path; some backends reduce 2880 "
        "(--moe-hidden-size 2880)");
  }
}

}  // namespace

Model read_model(std::string_view text) {
  const Json whole = parse_keys(text, kModelKeys);
  if (!whole.is_object()) throw Malformed("not a JSON object");
  // Of a model that also sees or hears, the language model is a part.
  const bool nested = !stated(whole, "hidden_size") && stated(whole, "text_config");
  const Json& json = nested ? whole["text_config"] : whole;
  if (!json.is_object()) throw Malformed("\"text_config\" is not an object");

  Model model;
  model.type = type_of(json);
  model.hidden_size = positive(json, "hidden_size", kMaxHiddenSize);
  model.layers = positive(json, "num_hidden_layers", kMaxLayers);
  model.vocabulary = positive(json, "vocab_size", kMaxVocabulary);
  const bool typed = stated(json, "torch_dtype") || stated(json, "dtype");
  read_data_type(typed ? json : whole, model);
  read_experts(json, model);
  if (nested) model.assumed.push_back("the language model alone: what \"text_config\" says");
  if (std::find(kKnownTypes.begin(), kKnownTypes.end(), model.type) == kKnownTypes.end()) {
    model.assumed.push_back(
        fmt::format("an all-reduce after attention and one after the MLP of each layer: \"{}\" is "
                    "none of the model types that were looked at (llama, qwen3_moe, gpt_oss, "
                    "deepseek_v3)",
                    model.type));
  }
  return model;
}

Model read_model_file(const std::string& path) {
  const Input input = read_input(path, kMaxFileBytes);
  const std::string origin = printable(input.origin);
  if (!input.problem.empty()) throw Malformed(fmt::format("{}: {}", origin, input.problem));
  if (input.text.size() > kMaxFileBytes) {
    throw Malformed(fmt::format("{}: more than {} MiB", origin, kMaxFileBytes >> 20));
  }
  try {
    return read_model(input.text);
  } catch (const Malformed& problem) {
    throw Malformed(fmt::format("{}: {}", origin, problem.what()));
  }
}

}  // namespace vernier::workload
