// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/nccl_log.hpp"

#include <cctype>
#include <charconv>
#include <fstream>
#include <iterator>
#include <variant>

#include "tools/nccl_log/nccl_line.hpp"

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
  const auto line = nccl_log::split_line(log.substr(start, log.find('\n', at) - start));
  if (!line || line->warning) return std::nullopt;
  const nccl_log::Event event = nccl_log::parse_event(*line);
  const auto* const selection = std::get_if<nccl_log::Selection>(&event);
  if (selection == nullptr || selection->operation != name_of(collective) || !selection->choice ||
      selection->channels == 0) {
    return std::nullopt;
  }
  return Configuration{*selection->choice, selection->channels};
}

std::string GrowingLog::read_new() {
  std::ifstream file(path_, std::ios::binary);
  file.seekg(position_);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  position_ += static_cast<long>(text.size());
  return text;
}

}  // namespace vernier::calibrate
