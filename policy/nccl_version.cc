// SPDX-License-Identifier: Apache-2.0
#include "vernier/nccl_version.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace vernier {
namespace {

struct Version {
  int major_number;
  int minor_number;
  std::optional<int> patch;

  [[nodiscard]] int low() const {
    return major_number * 10000 + minor_number * 100 + patch.value_or(0);
  }
  [[nodiscard]] int high() const {
    return major_number * 10000 + minor_number * 100 + patch.value_or(99);
  }
};

// One or two digits, consumed from the front of `text`.
std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = end - text.data();
  if (error != std::errc{} || text.starts_with('-') || digits > 2) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(digits));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<Version> parse_version(std::string_view text) {
  const auto major_number = take_number(text);
  if (!major_number || !take(text, ".")) return std::nullopt;
  const auto minor_number = take_number(text);
  if (!minor_number) return std::nullopt;
  Version version{*major_number, *minor_number, std::nullopt};
  if (take(text, ".")) {
    version.patch = take_number(text);
    if (!version.patch) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return version;
}

}  // namespace

std::string format_nccl_version(int code) {
  return fmt::format("{}.{}.{}", code / 10000, code / 100 % 100, code % 100);
}

std::optional<int> parse_nccl_version(std::string_view text) {
  const auto version = parse_version(text);
  if (!version) return std::nullopt;
  return version->low();
}

std::optional<NcclVersionRange> NcclVersionRange::parse(std::string_view text) {
  NcclVersionRange range;
  range.text_ = text;
  std::string compact;
  std::copy_if(text.begin(), text.end(), std::back_inserter(compact),
               [](char c) { return c != ' ' && c != '\t'; });
  for (std::string_view rest = compact; !rest.empty() || range.constraints_.empty();) {
    std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    Constraint constraint{std::string(one), 0, std::numeric_limits<int>::max()};
    for (const std::string_view op : {">=", "<=", "==", ">", "<"}) {
      if (!take(one, op)) continue;
      const auto version = parse_version(one);
      if (!version) return std::nullopt;
      if (op == ">=" || op == "==") constraint.low = version->low();
      if (op == "<=" || op == "==") constraint.high = version->high();
      if (op == ">") constraint.low = version->high() + 1;
      if (op == "<") constraint.high = version->low() - 1;
      one = {};
      break;
    }
    if (!one.empty() || constraint.spelling.empty()) return std::nullopt;
    range.constraints_.push_back(std::move(constraint));
  }
  if (compact.back() == ',') return std::nullopt;
  return range;
}

bool NcclVersionRange::contains(int code) const {
  return std::all_of(constraints_.begin(), constraints_.end(),
                     [code](const Constraint& c) { return c.low <= code && code <= c.high; });
}

std::string NcclVersionRange::canonical() const {
  std::vector<std::string> spellings;
  for (const Constraint& constraint : constraints_) spellings.push_back(constraint.spelling);
  std::sort(spellings.begin(), spellings.end());
  spellings.erase(std::unique(spellings.begin(), spellings.end()), spellings.end());
  return fmt::format("{}", fmt::join(spellings, ","));
}

}  // namespace vernier
