// SPDX-License-Identifier: Apache-2.0
//
// vernier policy diff: where two policies decide differently.
#include <fmt/format.h>

#include "tools/common/output.hpp"
#include "tools/common/table.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/json.hpp"
#include "tools/policy/policy_difference.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

using enum Table::Align;

std::string_view change_of(const RangeDifference& range) {
  if (range.a == nullptr) return "added";
  return range.b == nullptr ? "removed" : "changed";
}

std::string decision_text(const Rule* rule) {
  if (rule == nullptr) return "-";
  return choice_text(rule->choice, rule->channels) +
         (rule->instead_of ? " instead of " + format_choice(*rule->instead_of) : "") +
         (rule->alignment ? fmt::format(", alignment {}", *rule->alignment) : "");
}

std::string line_text(const Rule* rule) {
  return rule != nullptr ? fmt::format("{}", rule->where.line) : "-";
}

std::string range_table(const std::vector<RangeDifference>& ranges) {
  Table table({{"rule", left},
               {"collective", left},
               {"shape", left},
               {"min", right},
               {"max", right},
               {"A", left},
               {"line", right},
               {"B", left},
               {"line", right}});
  for (const RangeDifference& one : ranges) {
    table.add({std::string(change_of(one)), std::string(name_of(one.collective)), one.shape,
               format_bytes(one.min_bytes), format_bytes(one.max_bytes), decision_text(one.a),
               line_text(one.a), decision_text(one.b), line_text(one.b)});
  }
  return table.text();
}

std::string key_table(const PolicyDifference& difference) {
  Table table({{"table", left}, {"key", left}, {"A", left}, {"B", left}});
  const auto add = [&table](const char* name, const std::vector<KeyDifference>& keys) {
    for (const KeyDifference& one : keys) {
      table.add({name, printable(one.key), printable(one.a.value_or("-")),
                 printable(one.b.value_or("-"))});
    }
  };
  add("match", difference.match);
  add("environment", difference.environment);
  add("measured_on (decides nothing)", difference.measured_on);
  return table.text();
}

std::string verdict(const PolicyDifference& difference, bool same) {
  if (same) return "the same decisions";
  if (difference.ranges.empty() && difference.match.empty() && difference.environment.empty()) {
    return "the same decisions from rules that are cut differently: the digests differ, so ranks "
           "that hold one of each would not agree";
  }
  return fmt::format("different decisions: {}, {}, {}",
                     count_of(std::ssize(difference.ranges), "range"),
                     count_of(std::ssize(difference.match), "[match] key"),
                     count_of(std::ssize(difference.environment), "[environment] variable"));
}

void print_text(const PolicyFile& a, const PolicyFile& b, const PolicyDifference& difference,
                bool same) {
  Table files({{"", left}, {"", left}, {"", left}});
  files.add({"A", a.origin, digest(*a.parsed.policy)});
  files.add({"B", b.origin, digest(*b.parsed.policy)});
  print_result(files.text());
  print_result(verdict(difference, same));
  if (!difference.ranges.empty()) print_result("\n" + range_table(difference.ranges));
  if (!difference.match.empty() || !difference.environment.empty() ||
      !difference.measured_on.empty()) {
    print_result("\n" + key_table(difference));
  }
}

Json keys_to_json(const std::vector<KeyDifference>& keys) {
  Json list = Json::array();
  for (const KeyDifference& one : keys) {
    list.push_back({{"key", one.key}, {"a", or_null(one.a)}, {"b", or_null(one.b)}});
  }
  return list;
}

void print_as_json(const PolicyFile& a, const PolicyFile& b, const PolicyDifference& difference,
                   bool same) {
  const auto side = [](const PolicyFile& file) {
    return Json{{"file", file.origin}, {"digest", digest(*file.parsed.policy)}};
  };
  const auto rule = [](const Rule* one) { return one != nullptr ? to_json(*one) : Json(); };
  Json ranges = Json::array();
  for (const RangeDifference& one : difference.ranges) {
    ranges.push_back({{"change", change_of(one)},
                      {"collective", name_of(one.collective)},
                      {"shape", one.shape},
                      {"ranks", or_null(one.ranks)},
                      {"nodes", or_null(one.nodes)},
                      {"min_bytes", one.min_bytes},
                      {"max_bytes", one.max_bytes},
                      {"a", rule(one.a)},
                      {"b", rule(one.b)}});
  }
  print_json({{"ok", true},
              {"same", same},
              {"a", side(a)},
              {"b", side(b)},
              {"ranges", std::move(ranges)},
              {"match", keys_to_json(difference.match)},
              {"environment", keys_to_json(difference.environment)},
              {"measured_on", keys_to_json(difference.measured_on)}});
}

}  // namespace

ExitCode diff_policies(const DiffOptions& options) {
  const PolicyFile a = need_policy_file(options.a, options.json);
  if (!a.parsed.policy) return ExitCode::could_not_look;
  const PolicyFile b = need_policy_file(options.b, options.json);
  if (!b.parsed.policy) return ExitCode::could_not_look;
  const PolicyDifference difference = find_difference(*a.parsed.policy, *b.parsed.policy);
  const bool same = digest(*a.parsed.policy) == digest(*b.parsed.policy);
  if (options.json) {
    print_as_json(a, b, difference, same);
  } else {
    print_text(a, b, difference, same);
  }
  return same ? ExitCode::fine : ExitCode::findings;
}

}  // namespace vernier
