// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/policy_difference.hpp"

#include <algorithm>
#include <set>

#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

// A communicator shape. An absent number is one that no rule in question names, so that only rules
// for any number match it.
struct Shape {
  std::optional<int> ranks;
  std::optional<int> nodes;
  friend auto operator<=>(const Shape&, const Shape&) = default;
};

// Shapes between which decisions can differ: those that rules name, and the meeting points of
// rules that name only ranks with rules that name only nodes. Every communicator is decided as
// one of them, or by no rule.
std::set<Shape> find_shapes(const std::vector<const Rule*>& rules) {
  std::set<Shape> shapes;
  for (const Rule* rule : rules) shapes.insert({rule->ranks, rule->nodes});
  const std::set<Shape> named = shapes;
  for (const Shape& one : named) {
    if (!one.ranks || one.nodes) continue;
    for (const Shape& other : named) {
      if (!other.ranks && other.nodes) shapes.insert({one.ranks, other.nodes});
    }
  }
  return shapes;
}

std::string text_of(const Shape& shape, const std::set<Shape>& shapes) {
  // Whether another shape takes some of the numbers that this one leaves open.
  const bool other = std::any_of(shapes.begin(), shapes.end(), [&shape](const Shape& one) {
    return one != shape && (!shape.ranks || shape.ranks == one.ranks) &&
           (!shape.nodes || shape.nodes == one.nodes);
  });
  if (other && !shape.ranks && !shape.nodes) return "every other shape";
  const std::string any = other ? "any other " : "any ";
  return (shape.ranks ? count_of(*shape.ranks, "rank") : any + "ranks") + ", " +
         (shape.nodes ? count_of(*shape.nodes, "node") : any + "nodes");
}

std::vector<const Rule*> rules_for(const std::vector<const Rule*>& rules, const Shape& shape) {
  std::vector<const Rule*> chosen;
  for (const Rule* rule : rules) {
    if ((!rule->ranks || rule->ranks == shape.ranks) &&
        (!rule->nodes || rule->nodes == shape.nodes)) {
      chosen.push_back(rule);
    }
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const Rule* a, const Rule* b) { return a->min_bytes < b->min_bytes; });
  return chosen;
}

// The rule that holds `nbytes`, given that calls come with ascending bytes. Moves `at` on.
const Rule* advance(const std::vector<const Rule*>& rules, std::size_t& at, std::uint64_t nbytes) {
  while (at < rules.size() && rules[at]->max_bytes < nbytes) ++at;
  return at < rules.size() && rules[at]->min_bytes <= nbytes ? rules[at] : nullptr;
}

bool same_decision(const Rule* a, const Rule* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->choice == b->choice && a->channels == b->channels && a->alignment == b->alignment &&
         a->instead_of == b->instead_of;
}

void compare_shape(const std::vector<const Rule*>& a, const std::vector<const Rule*>& b,
                   const RangeDifference& where, std::vector<RangeDifference>& out) {
  std::set<std::uint64_t> starts;  // of pieces within which neither policy changes its mind
  for (const auto* rules : {&a, &b}) {
    for (const Rule* rule : *rules) starts.insert({rule->min_bytes, rule->max_bytes + 1});
  }
  std::size_t at_a = 0;
  std::size_t at_b = 0;
  bool extends = false;  // the piece before differs
  for (auto start = starts.begin(); start != starts.end() && std::next(start) != starts.end();
       ++start) {
    const Rule* const in_a = advance(a, at_a, *start);
    const Rule* const in_b = advance(b, at_b, *start);
    const std::uint64_t end = *std::next(start) - 1;
    const bool differs = !same_decision(in_a, in_b);
    if (differs && extends && same_decision(out.back().a, in_a) &&
        same_decision(out.back().b, in_b)) {
      out.back().max_bytes = end;
    } else if (differs) {
      out.push_back(where);
      out.back().min_bytes = *start;
      out.back().max_bytes = end;
      out.back().a = in_a;
      out.back().b = in_b;
    }
    extends = differs;
  }
}

std::vector<const Rule*> rules_of(const Policy& policy, Collective collective) {
  std::vector<const Rule*> rules;
  for (const Rule& rule : policy.rules) {
    if (rule.collective == collective) rules.push_back(&rule);
  }
  return rules;
}

using KeyValues = std::map<std::string, std::string>;

std::vector<KeyDifference> compare_keys(const KeyValues& a, const KeyValues& b) {
  std::set<std::string> keys;
  for (const auto* side : {&a, &b}) {
    for (const auto& [key, value] : *side) keys.insert(key);
  }
  const auto value_in = [](const KeyValues& side, const std::string& key) {
    const auto found = side.find(key);
    return found == side.end() ? std::nullopt : std::optional(found->second);
  };
  std::vector<KeyDifference> differences;
  for (const std::string& key : keys) {
    auto in_a = value_in(a, key);
    auto in_b = value_in(b, key);
    if (in_a != in_b) differences.push_back({key, std::move(in_a), std::move(in_b)});
  }
  return differences;
}

KeyValues match_of(const Policy& policy) {
  KeyValues match;
  if (policy.gpu) match["gpu"] = *policy.gpu;
  if (policy.nccl) match["nccl"] = policy.nccl->canonical();
  return match;
}

KeyValues measured_on_of(const Policy& policy) {
  KeyValues measured_on;
  for (const auto& [key, value] : policy.measured_on) measured_on[key] = scalar_text(value);
  return measured_on;
}

}  // namespace

PolicyDifference find_difference(const Policy& a, const Policy& b) {
  PolicyDifference difference;
  for (std::size_t c = 0; c < kCollectiveNames.size(); ++c) {
    const auto collective = static_cast<Collective>(c);
    const auto in_a = rules_of(a, collective);
    const auto in_b = rules_of(b, collective);
    auto in_both = in_a;
    in_both.insert(in_both.end(), in_b.begin(), in_b.end());
    const std::set<Shape> shapes = find_shapes(in_both);
    for (const Shape& shape : shapes) {
      const RangeDifference where{
          collective, text_of(shape, shapes), shape.ranks, shape.nodes, 0, 0, nullptr, nullptr};
      compare_shape(rules_for(in_a, shape), rules_for(in_b, shape), where, difference.ranges);
    }
  }
  difference.match = compare_keys(match_of(a), match_of(b));
  difference.environment = compare_keys(a.environment, b.environment);
  difference.measured_on = compare_keys(measured_on_of(a), measured_on_of(b));
  return difference;
}

}  // namespace vernier
