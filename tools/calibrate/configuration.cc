// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/configuration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "vernier/policy.hpp"

namespace vernier::calibrate {

std::string describe(const Point& point) {
  return fmt::format("{} {}", name_of(point.collective), format_bytes(point.nbytes));
}

std::string format_configuration(const Configuration& configuration) {
  if (!configuration.choice) return "default";
  const std::string cell = format_choice(*configuration.choice);
  if (configuration.channels == 0) return cell;
  return fmt::format("{}/{}", cell, configuration.channels);
}

std::optional<Configuration> parse_configuration(std::string_view text) {
  if (text == "default") return kDefault;
  Configuration configuration;
  if (std::count(text.begin(), text.end(), '/') == 2) {
    const std::string_view number = text.substr(text.rfind('/') + 1);
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, configuration.channels);
    if (error != std::errc() || stop != end || configuration.channels < 1 ||
        configuration.channels > kMaxChannels) {
      return std::nullopt;
    }
    text.remove_suffix(number.size() + 1);
  }
  configuration.choice = parse_choice(text);
  if (!configuration.choice) return std::nullopt;
  return configuration;
}

std::optional<DataType> find_data_type(std::string_view name) {
  for (const DataType& type :
       {DataType{"bfloat16", 9, 2}, DataType{"float16", 6, 2}, DataType{"float32", 7, 4}}) {
    if (type.name == name) return type;
  }
  return std::nullopt;
}

std::uint64_t whole_bytes(Collective collective, std::uint64_t nbytes, int ranks,
                          std::uint32_t element_bytes) {
  const std::uint64_t unit =
      element_bytes *
      (has_parts(collective) ? static_cast<std::uint64_t>(ranks) : std::uint64_t{1});
  return nbytes / unit * unit;
}

}  // namespace vernier::calibrate
