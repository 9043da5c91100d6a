// SPDX-License-Identifier: Apache-2.0
//
// What decides the collectives of a model: the few facts of a Hugging Face config.json that sizes
// and counts follow from. docs/workload.md names the keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::workload {

struct Model {
  std::string type;  // model_type
  std::uint64_t hidden_size = 0;
  std::uint64_t layers = 0;
  std::uint64_t vocabulary = 0;
  std::uint32_t element_bytes = 2;
  bool bfloat16 = true;

  std::uint64_t experts = 0;  // 0: no mixture of experts, and no layer has one
  std::uint64_t experts_per_token = 0;
  std::uint64_t moe_layers = 0;
  std::uint64_t moe_hidden_size = 0;  // what the experts' all-reduce carries a token

  std::vector<std::string> assumed;  // what config.json does not say: a sentence each
};

// From the text of a config.json. Throws Malformed, which says what is wrong and what is allowed.
[[nodiscard]] Model read_model(std::string_view text);

// From a file, or stdin for "-". Throws Malformed, which names the file too.
[[nodiscard]] Model read_model_file(const std::string& path);

}  // namespace vernier::workload
