// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr std::array<std::pair<std::string_view, unsigned>, 3> kUnits = {
    {{"GiB", 30}, {"MiB", 20}, {"KiB", 10}}};

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(key) : toml_text(key);
}

// fmt writes the shortest text that reads back equal; TOML wants a point or exponent in a float.
std::string toml_number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == text.npos) text += ".0";
  return text;
}

std::string toml_scalar(const Scalar& value) {
  struct Writer {
    std::string operator()(const std::string& text) const { return toml_text(text); }
    std::string operator()(std::int64_t number) const { return fmt::format("{}", number); }
    std::string operator()(double number) const { return toml_number(number); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  };
  return std::visit(Writer{}, value);
}

std::string toml_bytes(std::uint64_t nbytes) {
  const std::string text = format_bytes(nbytes);
  return text.back() == 'B' ? toml_text(text) : text;
}

std::string evidence_table(const Evidence& evidence) {
  std::string fields;
  const auto add = [&fields](std::string_view key, const std::string& value) {
    fields += fmt::format("{} {} = {}", fields.empty() ? "" : ",", key, value);
  };
  if (evidence.default_us) add("default_us", toml_number(*evidence.default_us));
  if (evidence.tuned_us) add("tuned_us", toml_number(*evidence.tuned_us));
  if (evidence.ratio_low) add("ratio_low", toml_number(*evidence.ratio_low));
  if (evidence.ratio_high) add("ratio_high", toml_number(*evidence.ratio_high));
  if (evidence.samples) add("samples", fmt::format("{}", *evidence.samples));
  return "{" + fields + " }";
}

void write_rule(std::string& out, const Rule& rule, WithEvidence with_evidence) {
  const auto line = [&out](std::string_view key, const std::string& value) {
    out += fmt::format("{:<10} = {}\n", key, value);
  };
  out += "\n[[rule]]\n";
  line("collective", toml_text(name_of(rule.collective)));
  line("min_bytes", toml_bytes(rule.min_bytes));
  line("max_bytes", toml_bytes(rule.max_bytes));
  if (rule.ranks) line("ranks", fmt::format("{}", *rule.ranks));
  if (rule.nodes) line("nodes", fmt::format("{}", *rule.nodes));
  if (rule.instead_of) line("instead_of", toml_text(format_choice(*rule.instead_of)));
  line("algorithm", toml_text(name_of(rule.choice.algorithm)));
  line("protocol", toml_text(name_of(rule.choice.protocol)));
  if (rule.channels) line("channels", fmt::format("{}", *rule.channels));
  if (rule.alignment) line("alignment", fmt::format("{}", *rule.alignment));
  if (rule.evidence && with_evidence == WithEvidence::yes) {
    line("evidence", evidence_table(*rule.evidence));
  }
}

}  // namespace

std::string format_bytes(std::uint64_t nbytes) {
  for (const auto& [unit, shift] : kUnits) {
    if (nbytes != 0 && nbytes % (std::uint64_t{1} << shift) == 0) {
      return fmt::format("{}{}", nbytes >> shift, unit);
    }
  }
  return fmt::format("{}", nbytes);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number > INT64_MAX) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty() || unit == "B") return number;
  for (const auto& [name, shift] : kUnits) {
    if (unit != name) continue;
    if (number > (std::uint64_t{INT64_MAX} >> shift)) return std::nullopt;
    return number << shift;
  }
  return std::nullopt;
}

std::string format_choice(Choice choice) {
  return fmt::format("{}/{}", name_of(choice.algorithm), name_of(choice.protocol));
}

std::optional<Choice> parse_choice(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto algorithm = find_algorithm(text.substr(0, slash));
  const auto protocol = find_protocol(text.substr(slash + 1));
  if (!algorithm || !protocol) return std::nullopt;
  return Choice{*algorithm, *protocol};
}

std::string write_policy(const Policy& policy, WithEvidence evidence) {
  std::string out = "schema = 1\n";
  if (!policy.name.empty()) out += fmt::format("name = {}\n", toml_text(policy.name));
  if (policy.gpu || policy.nccl) {
    out += "\n[match]\n";
    if (policy.gpu) out += fmt::format("gpu = {}\n", toml_text(*policy.gpu));
    if (policy.nccl) out += fmt::format("nccl = {}\n", toml_text(policy.nccl->text()));
  }
  if (!policy.environment.empty()) {
    out += "\n[environment]\n";
    for (const auto& [key, value] : policy.environment) {
      out += fmt::format("{} = {}\n", toml_key(key), toml_text(value));
    }
  }
  if (!policy.measured_on.empty() && evidence == WithEvidence::yes) {
    out += "\n[measured_on]\n";
    for (const auto& [key, value] : policy.measured_on) {
      out += fmt::format("{} = {}\n", toml_key(key), toml_scalar(value));
    }
  }
  for (const Rule& rule : policy.rules) write_rule(out, rule, evidence);
  return out;
}

}  // namespace vernier
