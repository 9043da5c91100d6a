// SPDX-License-Identifier: Apache-2.0
#include "policy/first_match.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vernier {
namespace {

struct Span {
  std::uint64_t min_bytes;
  std::uint64_t max_bytes;
};

// `whole` without the bytes of any of `holes`.
std::vector<Span> subtract(Span whole, std::vector<Span> holes) {
  std::sort(holes.begin(), holes.end(),
            [](const Span& a, const Span& b) { return a.min_bytes < b.min_bytes; });
  std::vector<Span> left;
  std::uint64_t next = whole.min_bytes;  // the first byte count not yet judged
  for (const Span& hole : holes) {
    if (hole.max_bytes < next) continue;
    if (hole.min_bytes > whole.max_bytes) break;
    if (hole.min_bytes > next) left.push_back({next, hole.min_bytes - 1});
    next = hole.max_bytes + 1;  // a policy's bytes are below 2^63, so this cannot wrap
  }
  if (next <= whole.max_bytes) left.push_back({next, whole.max_bytes});
  return left;
}

bool covers(const std::optional<int>& outer, const std::optional<int>& inner) {
  return !outer || outer == inner;
}

bool covers(const Rule& outer, const Rule& inner) {
  return covers(outer.ranks, inner.ranks) && covers(outer.nodes, inner.nodes);
}

// Whether both can match one call.
bool meet(const Rule& a, const Rule& b) {
  const auto share = [](const auto& x, const auto& y) { return covers(x, y) || covers(y, x); };
  return a.collective == b.collective && share(a.ranks, b.ranks) && share(a.nodes, b.nodes) &&
         a.min_bytes <= b.max_bytes && b.min_bytes <= a.max_bytes;
}

// The first of `rows` that has bytes in common with `spans`, which ascend.
const Rule* find_meeting(const std::vector<Span>& spans, const std::vector<const Rule*>& rows) {
  for (const Rule* row : rows) {
    const auto span = std::partition_point(
        spans.begin(), spans.end(), [row](const Span& s) { return s.max_bytes < row->min_bytes; });
    if (span != spans.end() && span->min_bytes <= row->max_bytes) return row;
  }
  return nullptr;
}

}  // namespace

void FirstMatch::add(const Rule& row, bool allowed) {
  if (allowed) convert(row);
  rows_.push_back(row);
}

void FirstMatch::convert(const Rule& row) {
  std::vector<const Rule*> covering;
  std::vector<const Rule*> partial;
  for (const Rule& earlier : rows_) {
    if (meet(earlier, row)) (covers(earlier, row) ? covering : partial).push_back(&earlier);
  }
  std::vector<Span> holes;
  for (const Rule* earlier : covering) holes.push_back({earlier->min_bytes, earlier->max_bytes});
  const std::vector<Span> spans = subtract({row.min_bytes, row.max_bytes}, std::move(holes));
  using enum Diagnostic::Severity;
  if (spans.empty()) {
    report(warning, row,
           fmt::format("never used: earlier rows take all its calls, the first at line {}",
                       covering.front()->where.line));
  } else if (const Rule* const other = find_meeting(spans, partial)) {
    report(error, row,
           fmt::format("the row at line {} takes some of its calls by ranks or nodes, and no rule "
                       "can say \"any but these\"; allowed: the ranks and nodes that are meant",
                       other->where.line));
  } else if (rules_.size() + spans.size() > kMaxRules) {
    report(error, row, fmt::format("more than the {} rules that are allowed", kMaxRules));
  } else {
    for (const Span& span : spans) {
      rules_.push_back(row);
      rules_.back().min_bytes = span.min_bytes;
      rules_.back().max_bytes = span.max_bytes;
    }
  }
}

void FirstMatch::report(Diagnostic::Severity severity, const Rule& row, std::string text) {
  findings_.push_back({severity, row.where, std::move(text)});
}

}  // namespace vernier
