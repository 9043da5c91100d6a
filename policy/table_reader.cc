// SPDX-License-Identifier: Apache-2.0
#include "policy/table_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vernier {

const TomlNode* TableReader::find(std::string_view key) {
  if (std::find(schema_.begin(), schema_.end(), key) == schema_.end()) schema_.push_back(key);
  const auto member = std::find_if(table_.members.begin(), table_.members.end(),
                                   [key](const TomlMember& m) { return m.key == key; });
  return member == table_.members.end() ? nullptr : &member->value;
}

const TomlNode* TableReader::need(std::string_view key) {
  const TomlNode* const node = find(key);
  if (node == nullptr) fail(table_.where, fmt::format("{} needs the key {}", what_, key));
  return node;
}

std::optional<std::string> TableReader::text(std::string_view key) {
  const TomlNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == TomlNode::Kind::string) return node->string;
  wrong(key, "text in quotes", *node);
  return std::nullopt;
}

std::optional<double> TableReader::number(std::string_view key) {
  const TomlNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == TomlNode::Kind::floating) return node->floating;
  if (node->kind == TomlNode::Kind::integer) return static_cast<double>(node->integer);
  wrong(key, "a number", *node);
  return std::nullopt;
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t low,
                                                 std::int64_t high) {
  const TomlNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind == TomlNode::Kind::integer && low <= node->integer && node->integer <= high) {
    return node->integer;
  }
  wrong(key, fmt::format("an integer from {} to {}", low, high), *node);
  return std::nullopt;
}

void TableReader::finish() {
  for (const TomlMember& member : table_.members) {
    if (std::find(schema_.begin(), schema_.end(), member.key) != schema_.end()) continue;
    fail(member.where, fmt::format("{} has no key {}; allowed: {}{}", what_, in_quotes(member.key),
                                   fmt::join(schema_, ", "), did_you_mean(member.key, schema_)));
  }
}

void TableReader::fail(Location where, std::string text) {
  errors_.push_back({Diagnostic::Severity::error, where, std::move(text)});
}

void TableReader::wrong(std::string_view key, std::string_view wanted, const TomlNode& found) {
  fail(found.where, fmt::format("{} must be {}; found {}", key, wanted, describe(found)));
}

}  // namespace vernier
