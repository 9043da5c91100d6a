// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <sstream>
#include <stdexcept>

#include "tools/bench/bench.hpp"
#include "tools/common/json_members.hpp"

namespace vernier::bench {
namespace {

// A line of its table: size, count, type, redop, root, then time, algbw, busbw and wrong, out of
// place and in place. Lines that begin with # are talk.
std::map<std::uint64_t, double> parse_text(const std::string& text) {
  std::map<std::uint64_t, double> times_us;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::uint64_t nbytes = 0;
    std::uint64_t count = 0;
    std::string type;
    std::string operation;
    std::string root;
    double us = 0;
    if (words >> nbytes >> count >> type >> operation >> root >> us && us > 0) {
      times_us[nbytes] = us;
    }
  }
  return times_us;
}

// Its --output-file: {"results": [{"size": ..., "out_of_place": {"time": ...}}, ...]}.
std::map<std::uint64_t, double> parse_json(const std::string& text) {
  std::map<std::uint64_t, double> times_us;
  const Json document = Json::parse(text, nullptr, false);
  const auto results = document.is_object() ? document.find("results") : document.end();
  if (document.is_discarded() || results == document.end() || !results->is_array()) return {};
  for (const Json& result : *results) {
    if (!result.is_object() || !result.contains("size") || !result.contains("out_of_place"))
      continue;
    const Json& place = result["out_of_place"];
    if (!result["size"].is_number_unsigned() || !place.is_object() || !place.contains("time")) {
      continue;
    }
    const Json& time = place["time"];
    if (time.is_number() && time.get<double>() > 0) {
      times_us[result["size"].get<std::uint64_t>()] = time.get<double>();
    }
  }
  return times_us;
}

}  // namespace

std::map<std::uint64_t, double> parse_nccl_tests(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && text[first] == '{';
  auto times_us = json ? parse_json(text) : parse_text(text);
  if (times_us.empty()) {
    throw std::runtime_error(json ? "no \"results\" with \"size\" and \"out_of_place\" \"time\""
                                  : "no line of nccl-tests' table: size, count, type, redop, root, "
                                    "time");
  }
  return times_us;
}

}  // namespace vernier::bench
