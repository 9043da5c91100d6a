// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/json.hpp"

namespace vernier {
namespace {

Json evidence_json(const Evidence& evidence) {
  return {{"default_us", or_null(evidence.default_us)},
          {"tuned_us", or_null(evidence.tuned_us)},
          {"ratio_low", or_null(evidence.ratio_low)},
          {"ratio_high", or_null(evidence.ratio_high)},
          {"samples", or_null(evidence.samples)}};
}

}  // namespace

Json to_json(const Diagnostics& diagnostics) {
  Json list = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) {
    const bool error = diagnostic.severity == Diagnostic::Severity::error;
    list.push_back({{"severity", error ? "error" : "warning"},
                    {"line", diagnostic.where.line},
                    {"column", diagnostic.where.column},
                    {"text", diagnostic.text}});
  }
  return list;
}

Json to_json(const Rule& rule) {
  return {{"collective", name_of(rule.collective)},
          {"min_bytes", rule.min_bytes},
          {"max_bytes", rule.max_bytes},
          {"ranks", or_null(rule.ranks)},
          {"nodes", or_null(rule.nodes)},
          {"instead_of", to_json(rule.instead_of)},
          {"choice", format_choice(rule.choice)},
          {"channels", or_null(rule.channels)},
          {"alignment", or_null(rule.alignment)},
          {"evidence", rule.evidence ? evidence_json(*rule.evidence) : Json()},
          {"line", rule.where.line}};
}

Json to_json(const Scalar& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

Json to_json(std::optional<Choice> choice) {
  return choice ? Json(format_choice(*choice)) : Json();
}

}  // namespace vernier
