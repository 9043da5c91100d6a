// SPDX-License-Identifier: Apache-2.0
//
// Schema 1: a TOML tree to a Policy, or every error in it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "policy/table_reader.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();

// The table under `key`, or nullptr when it is absent or not a table (then an error is recorded).
const TomlNode* find_table(TableReader& reader, std::string_view key) {
  const TomlNode* const node = reader.find(key);
  if (node == nullptr || node->kind == TomlNode::Kind::table) return node;
  reader.wrong(key, "a table", *node);
  return nullptr;
}

template <typename Enum, std::size_t N>
std::optional<Enum> read_name(TableReader& reader, std::string_view key,
                              const std::array<std::string_view, N>& names) {
  const TomlNode* const node = reader.need(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != TomlNode::Kind::string) {
    reader.wrong(key, "text in quotes", *node);
    return std::nullopt;
  }
  const auto value = find_name<Enum>(names, node->string);
  if (!value) {
    const std::vector<std::string_view> allowed(names.begin(), names.end());
    reader.fail(node->where,
                fmt::format("{} {} is not known; allowed: {}{}", key, in_quotes(node->string),
                            fmt::join(allowed, ", "), did_you_mean(node->string, allowed)));
  }
  return value;
}

std::optional<std::uint64_t> read_bytes(TableReader& reader, std::string_view key) {
  const TomlNode* const node = reader.need(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == TomlNode::Kind::integer && node->integer >= 0) {
    return static_cast<std::uint64_t>(node->integer);
  }
  if (node->kind == TomlNode::Kind::string) {
    if (const auto nbytes = parse_bytes(node->string)) return nbytes;
  }
  reader.wrong(key, "bytes: an integer from 0, or text such as \"64KiB\" (B, KiB, MiB, GiB)",
               *node);
  return std::nullopt;
}

std::optional<Choice> read_instead_of(TableReader& reader) {
  const TomlNode* const node = reader.find("instead_of");
  if (node == nullptr) return std::nullopt;
  if (node->kind != TomlNode::Kind::string) {
    reader.wrong("instead_of", "text such as \"ring/ll\"", *node);
    return std::nullopt;
  }
  const std::string_view text = node->string;
  if (const auto choice = parse_choice(text)) return choice;
  std::vector<std::string> choices;
  for (const std::string_view a : kAlgorithmNames) {
    for (const std::string_view p : kProtocolNames) choices.push_back(fmt::format("{}/{}", a, p));
  }
  reader.fail(node->where,
              fmt::format("instead_of {} is not known; allowed: ALGORITHM/PROTOCOL, of {} and {}{}",
                          in_quotes(text), fmt::join(kAlgorithmNames, ", "),
                          fmt::join(kProtocolNames, ", "),
                          did_you_mean(text, {choices.begin(), choices.end()})));
  return std::nullopt;
}

std::optional<Evidence> read_evidence(TableReader& rule, Diagnostics& errors) {
  const TomlNode* const node = find_table(rule, "evidence");
  if (node == nullptr) return std::nullopt;
  TableReader reader(*node, "evidence", errors);
  Evidence evidence;
  evidence.default_us = reader.number("default_us");
  evidence.tuned_us = reader.number("tuned_us");
  evidence.ratio_low = reader.number("ratio_low");
  evidence.ratio_high = reader.number("ratio_high");
  evidence.samples = reader.integer("samples", 0, std::numeric_limits<std::int64_t>::max());
  reader.finish();
  return evidence;
}

void check_possible(TableReader& reader, Location where, std::string_view key,
                    Collective collective, Choice choice) {
  if (is_possible(collective, choice)) return;
  std::string possible;
  for (std::size_t a = 0; a < kAlgorithmNames.size(); ++a) {
    for (std::size_t p = 0; p < kProtocolNames.size(); ++p) {
      const Choice other{static_cast<Algorithm>(a), static_cast<Protocol>(p)};
      if (!is_possible(collective, other)) continue;
      possible += (possible.empty() ? "" : ", ") + format_choice(other);
    }
  }
  reader.fail(where, fmt::format("{}: NCCL has no {} for {}; allowed: {}", key,
                                 format_choice(choice), name_of(collective), possible));
}

// What the keys of a rule say only together.
void check_rule(TableReader& reader, const Rule& rule, const TomlNode& node) {
  const auto place = [&node](std::string_view key) {
    const auto member = std::find_if(node.members.begin(), node.members.end(),
                                     [key](const TomlMember& m) { return m.key == key; });
    return member == node.members.end() ? node.where : member->value.where;
  };
  if (rule.min_bytes > rule.max_bytes) {
    reader.fail(place("max_bytes"),
                fmt::format("max_bytes {} is below min_bytes; allowed: {} and up",
                            format_bytes(rule.max_bytes), format_bytes(rule.min_bytes)));
  }
  check_possible(reader, place("algorithm"), "algorithm", rule.collective, rule.choice);
  if (rule.instead_of) {
    check_possible(reader, place("instead_of"), "instead_of", rule.collective, *rule.instead_of);
  }
  const bool collnet = rule.choice.algorithm == Algorithm::collnet_direct ||
                       rule.choice.algorithm == Algorithm::collnet_chain;
  if (rule.channels && collnet) {
    reader.fail(
        place("channels"),
        fmt::format("channels cannot be used with {}: NCCL does not check the number there; "
                    "allowed: no channels",
                    name_of(rule.choice.algorithm)));
  }
  if (rule.alignment && !has_parts(rule.collective)) {
    reader.fail(place("alignment"),
                fmt::format("alignment cannot be used with {}, of which no rank has a part; "
                            "allowed: no alignment",
                            name_of(rule.collective)));
  }
  if (rule.choice.algorithm == Algorithm::nvls_tree && rule.nodes == 1) {
    reader.fail(place("nodes"),
                "nodes 1 with nvls_tree, which NCCL has from 2 nodes on; "
                "allowed: 2 or more");
  }
  if (rule.ranks && rule.nodes && *rule.nodes > *rule.ranks) {
    reader.fail(place("nodes"), fmt::format("nodes {} is more than ranks {}; allowed: 1 to {}",
                                            *rule.nodes, *rule.ranks, *rule.ranks));
  }
}

std::optional<Rule> read_rule(const TomlNode& node, Diagnostics& errors) {
  if (node.kind != TomlNode::Kind::table) {
    errors.push_back({Diagnostic::Severity::error, node.where,
                      fmt::format("a rule must be a table; found {}", describe(node))});
    return std::nullopt;
  }
  TableReader reader(node, "[[rule]]", errors);
  const auto collective = read_name<Collective>(reader, "collective", kCollectiveNames);
  const auto min_bytes = read_bytes(reader, "min_bytes");
  const auto max_bytes = read_bytes(reader, "max_bytes");
  const auto ranks = reader.integer("ranks", 2, kMaxInt);
  const auto nodes = reader.integer("nodes", 1, kMaxInt);
  const auto instead_of = read_instead_of(reader);
  const auto algorithm = read_name<Algorithm>(reader, "algorithm", kAlgorithmNames);
  const auto protocol = read_name<Protocol>(reader, "protocol", kProtocolNames);
  const auto channels = reader.integer("channels", 1, kMaxChannels);
  const auto alignment = reader.integer("alignment", 2, kMaxAlignment);
  auto evidence = read_evidence(reader, errors);
  reader.finish();
  // With what decides it at hand a rule is judged as a whole too, whatever else is wrong in it.
  if (!collective || !min_bytes || !max_bytes || !algorithm || !protocol) return std::nullopt;

  const auto narrow = [](std::optional<std::int64_t> value) {
    return value ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
  };
  Rule rule{*collective,
            *min_bytes,
            *max_bytes,
            narrow(ranks),
            narrow(nodes),
            instead_of,
            {*algorithm, *protocol},
            narrow(channels),
            narrow(alignment),
            std::move(evidence),
            node.where};
  check_rule(reader, rule, node);
  return rule;
}

void read_rules(TableReader& root, Policy& policy, Diagnostics& errors) {
  const TomlNode* const node = root.find("rule");
  if (node == nullptr) return;
  if (node->kind != TomlNode::Kind::array) {
    root.wrong("rule", "an array of tables, each under [[rule]]", *node);
    return;
  }
  if (node->items.size() > kMaxRules) {
    root.fail(node->items[kMaxRules].where,
              fmt::format("{} rules; at most {} are allowed", node->items.size(), kMaxRules));
    return;
  }
  for (const TomlNode& item : node->items) {
    if (auto rule = read_rule(item, errors)) policy.rules.push_back(std::move(*rule));
  }
  for (const auto& [earlier, later] : find_overlaps(policy.rules)) {
    const Rule& a = policy.rules[earlier];
    const Rule& b = policy.rules[later];
    root.fail(b.where,
              fmt::format("overlaps the rule at line {}: both match {} of {} to {}; allowed: one "
                          "rule for a call",
                          a.where.line, name_of(b.collective),
                          format_bytes(std::max(a.min_bytes, b.min_bytes)),
                          format_bytes(std::min(a.max_bytes, b.max_bytes))));
  }
}

void read_match(TableReader& root, Policy& policy, Diagnostics& errors) {
  const TomlNode* const node = find_table(root, "match");
  if (node == nullptr) return;
  TableReader reader(*node, "[match]", errors);
  policy.gpu = reader.text("gpu");
  const TomlNode* const gpu = reader.find("gpu");
  if (policy.gpu && (policy.gpu->empty() || policy.gpu->find('*') < policy.gpu->size() - 1)) {
    reader.wrong("gpu", "the driver's name of the GPU, which may end in one *", *gpu);
  }
  if (const auto text = reader.text("nccl")) {
    policy.nccl = NcclVersionRange::parse(*text);
    if (!policy.nccl) {
      reader.wrong("nccl", "constraints (>= > <= < ==) such as \">=2.28,<2.29\"",
                   *reader.find("nccl"));
    }
  }
  reader.finish();
}

void read_environment(TableReader& root, Policy& policy) {
  const TomlNode* const node = find_table(root, "environment");
  if (node == nullptr) return;
  for (const TomlMember& member : node->members) {
    if (member.value.kind != TomlNode::Kind::string) {
      root.wrong(member.key, "text in quotes", member.value);
    } else if (!member.key.starts_with("NCCL_") || member.key.starts_with("NCCL_VERNIER_")) {
      root.fail(member.where, fmt::format("[environment] has {}; allowed: variables that NCCL "
                                          "itself reads: NCCL_*, not NCCL_VERNIER_*",
                                          in_quotes(member.key)));
    }
    policy.environment[member.key] = member.value.string;
  }
}

void read_measured_on(TableReader& root, Policy& policy) {
  const TomlNode* const node = find_table(root, "measured_on");
  if (node == nullptr) return;
  for (const TomlMember& member : node->members) {
    const TomlNode& value = member.value;
    switch (value.kind) {
      case TomlNode::Kind::string: policy.measured_on.emplace_back(member.key, value.string); break;
      case TomlNode::Kind::integer:
        policy.measured_on.emplace_back(member.key, value.integer);
        break;
      case TomlNode::Kind::floating:
        policy.measured_on.emplace_back(member.key, value.floating);
        break;
      case TomlNode::Kind::boolean:
        policy.measured_on.emplace_back(member.key, value.boolean);
        break;
      default: root.wrong(member.key, "text, a number, true or false", value); break;
    }
  }
}

}  // namespace

ParsedPolicy parse_policy(std::string_view text) {
  ParsedToml toml = parse_toml(text);
  if (toml.error) return {std::nullopt, {std::move(*toml.error)}};

  Policy policy;
  Diagnostics errors;
  TableReader root(*toml.root, "a policy", errors);
  const TomlNode* const schema = root.need("schema");
  if (schema != nullptr && (schema->kind != TomlNode::Kind::integer || schema->integer != 1)) {
    root.wrong("schema", "1, the only one this release reads", *schema);
    return {std::nullopt, std::move(errors)};  // another schema's keys would only mislead
  }
  policy.name = root.text("name").value_or("");
  read_match(root, policy, errors);
  read_environment(root, policy);
  read_measured_on(root, policy);
  read_rules(root, policy, errors);
  root.finish();
  if (errors.empty()) return {std::move(policy), {}};
  std::stable_sort(errors.begin(), errors.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.where.line, a.where.column) < std::pair(b.where.line, b.where.column);
  });
  return {std::nullopt, std::move(errors)};
}

}  // namespace vernier
