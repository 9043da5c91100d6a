// SPDX-License-Identifier: Apache-2.0
//
// The only file that includes toml11 (3.7.1).
#include "policy/toml_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <toml.hpp>

#include "policy/text_limits.hpp"

namespace vernier {
namespace {

// Places in the text by offset. toml11's own location() counts lines from the start of the file
// for every value, which is quadratic: seconds for a policy of 4,000 rules.
class Places {
 public:
  explicit Places(std::string_view text) : text_(text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') line_starts_.push_back(i + 1);
    }
  }

  [[nodiscard]] Location at(std::size_t offset) const {
    const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
    return {static_cast<int>(next - line_starts_.begin()),
            static_cast<int>(offset - *(next - 1)) + 1};
  }

  // The key of the value at `offset`: back over blanks, '=', blanks and the key itself. A table's
  // header has no '=' before it and is its own place.
  [[nodiscard]] std::size_t key_before(std::size_t offset) const {
    const auto skip_blanks = [this](std::size_t end) {
      while (end > 0 && (text_[end - 1] == ' ' || text_[end - 1] == '\t')) --end;
      return end;
    };
    std::size_t end = skip_blanks(offset);
    if (end == 0 || text_[end - 1] != '=') return offset;
    end = skip_blanks(end - 1);
    while (end > 0 && std::string_view(" \t\n{,").find(text_[end - 1]) == std::string_view::npos) {
      --end;
    }
    return end;
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> line_starts_{0};
};

std::size_t offset_of(const toml::value& value) {
  const auto* region = dynamic_cast<const toml::detail::region*>(toml::detail::get_region(value));
  if (region == nullptr) return 0;
  return static_cast<std::size_t>(region->first() - region->begin());
}

TomlNode to_node(const toml::value& value, const Places& places) {
  TomlNode node;
  node.where = places.at(offset_of(value));
  switch (value.type()) {
    case toml::value_t::string:
      node.kind = TomlNode::Kind::string;
      node.string = value.as_string().str;
      break;
    case toml::value_t::integer:
      node.kind = TomlNode::Kind::integer;
      node.integer = value.as_integer();
      break;
    case toml::value_t::floating:
      node.kind = TomlNode::Kind::floating;
      node.floating = value.as_floating();
      break;
    case toml::value_t::boolean:
      node.kind = TomlNode::Kind::boolean;
      node.boolean = value.as_boolean();
      break;
    case toml::value_t::array:
      node.kind = TomlNode::Kind::array;
      for (const toml::value& item : value.as_array()) node.items.push_back(to_node(item, places));
      break;
    case toml::value_t::table:
      node.kind = TomlNode::Kind::table;
      for (const auto& [key, member] : value.as_table()) {
        const Location key_place = places.at(places.key_before(offset_of(member)));
        node.members.push_back({key, key_place, to_node(member, places)});
      }
      std::sort(node.members.begin(), node.members.end(), [](const auto& a, const auto& b) {
        return std::pair(a.where.line, a.where.column) < std::pair(b.where.line, b.where.column);
      });
      break;
    default: node.kind = TomlNode::Kind::datetime; break;
  }
  return node;
}

// The parser's message is a picture of several lines; its first line says what is wrong.
std::string first_line(std::string_view message) {
  message = message.substr(0, message.find('\n'));
  for (const std::string_view prefix : {"[error] ", "toml::"}) {
    if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  }
  return std::string(message);
}

ParsedToml fail(Location where, std::string text) {
  return {std::nullopt, Diagnostic{Diagnostic::Severity::error, where, std::move(text)}};
}

}  // namespace

ParsedToml parse_toml(std::string_view text) {
  if (auto unfit = find_unfit_text(text)) return {std::nullopt, std::move(unfit)};
  try {
    std::istringstream stream{std::string(text)};
    const toml::value root = toml::parse(stream, "policy");
    return {to_node(root, Places(text)), std::nullopt};
  } catch (const toml::exception& error) {
    return fail(
        {static_cast<int>(error.location().line()), static_cast<int>(error.location().column())},
        "not TOML: " + first_line(error.what()));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return fail({}, "not TOML: " + first_line(error.what()));
  }
}

std::string describe(const TomlNode& node) {
  switch (node.kind) {
    case TomlNode::Kind::string: return "text " + in_quotes(node.string);
    case TomlNode::Kind::integer: return fmt::format("integer {}", node.integer);
    case TomlNode::Kind::floating: return fmt::format("number {}", node.floating);
    case TomlNode::Kind::boolean: return node.boolean ? "true" : "false";
    case TomlNode::Kind::datetime: return "a date or time";
    case TomlNode::Kind::array: return "an array";
    case TomlNode::Kind::table: return "a table";
  }
  return {};
}

}  // namespace vernier
