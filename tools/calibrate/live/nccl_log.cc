// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/nccl_log.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <iterator>

namespace vernier::calibrate {
namespace {

std::optional<int> number_before(std::string_view text, std::size_t end) {
  std::size_t start = end;
  while (start > 0 && std::isdigit(static_cast<unsigned char>(text[start - 1])) != 0) --start;
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data() + start, text.data() + end, value);
  if (start == end || error != std::errc()) return std::nullopt;
  return value;
}

// The word behind `key`, in lower case.
std::string word_after(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + key.size());
  std::string word(line.substr(0, line.find_first_of(" \n")));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

}  // namespace

std::optional<int> find_comm_channels(std::string_view log) {
  const std::size_t at = log.rfind(" coll channels");
  return at == std::string_view::npos ? std::nullopt : number_before(log, at);
}

std::optional<Configuration> find_applied(std::string_view log, Collective collective) {
  constexpr std::string_view kSelection = " Bytes -> Algo ";
  const std::size_t control = log.rfind(kSelection);
  if (control == std::string_view::npos) return std::nullopt;
  const std::size_t at = log.rfind(kSelection, control - 1);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t start = log.rfind('\n', at) + 1;  // 0 where there is no earlier line
  const std::string_view line = log.substr(start, log.find('\n', at) - start);
  // NCCL writes "AllReduce: 4096 Bytes -> Algo ...".
  if (word_after(line, "NCCL INFO ") != std::string(name_of(collective)) + ":") {
    return std::nullopt;
  }
  const auto algorithm = find_algorithm(word_after(line, "Algo "));
  const auto protocol = find_protocol(word_after(line, " proto "));
  const std::string range = word_after(line, "}={");  // "0..3}"
  const std::size_t dots = range.find("..");
  const std::size_t close = range.find('}');
  if (!algorithm || !protocol || dots == std::string::npos || close == std::string::npos) {
    return std::nullopt;
  }
  const std::optional<int> low = number_before(range, dots);
  const std::optional<int> high = number_before(range, close);
  if (!low || !high) return std::nullopt;
  return Configuration{Choice{*algorithm, *protocol}, *high - *low + 1};
}

std::string GrowingLog::read_new() {
  std::ifstream file(path_, std::ios::binary);
  file.seekg(position_);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  position_ += static_cast<long>(text.size());
  return text;
}

}  // namespace vernier::calibrate
