// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/faults.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <sstream>

#include "tests/fake_machine/environment.hpp"

namespace vernier::fake_machine {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

[[noreturn]] void refuse(const std::string& text) {
  std::fprintf(stderr, "fake NCCL: FAKE_NCCL_FAULT, _WIRE or _WINDOWS: what is \"%s\"?\n",
               text.c_str());
  std::_Exit(2);
}

std::size_t parse_bytes(const std::string& text, const std::string& whole) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') refuse(whole);
  return value;
}

constexpr std::array<std::string_view, 6> kKindNames = {"",     "wrong", "unwritten",
                                                        "hang", "crash", "error"};

ncclResult_t behave(const std::string& how) {
  if (how == "error") return ncclInternalError;
  if (how == "crash") std::abort();
  while (how == "hang") pause();
  if (!how.empty()) refuse(how);
  return ncclSuccess;
}

}  // namespace

Faults::Faults(const std::string& text) {
  for (const std::string& part : split(text, ',')) faults_.push_back(parse(part));
}

Faults::Fault Faults::parse(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() < 3 || parts.size() > 5 || parts[0].empty()) refuse(text);
  const auto kind = find_name<FaultKind>(kKindNames, parts[0]);
  const auto collective = find_collective(parts[1]);
  if (!kind || !collective) refuse(text);
  Fault fault{*kind, *collective, parts[2] == "default",
              {},    0,           std::numeric_limits<std::size_t>::max()};
  if (!fault.at_default) {
    const std::vector<std::string> cell = split(parts[2], '/');
    const auto algorithm = cell.size() == 2 ? find_algorithm(cell[0]) : std::nullopt;
    const auto protocol = cell.size() == 2 ? find_protocol(cell[1]) : std::nullopt;
    if (!algorithm || !protocol) refuse(text);
    fault.choice = {*algorithm, *protocol};
  }
  if (parts.size() > 3) fault.min_bytes = parse_bytes(parts[3], text);
  if (parts.size() > 4) fault.max_bytes = parse_bytes(parts[4], text);
  return fault;
}

FaultKind Faults::find(Collective collective, std::size_t total_bytes, Choice choice,
                       bool is_default) const {
  for (const Fault& fault : faults_) {
    const bool here = fault.at_default ? is_default : fault.choice == choice;
    if (here && fault.collective == collective && total_bytes >= fault.min_bytes &&
        total_bytes <= fault.max_bytes) {
      return fault.kind;
    }
  }
  return FaultKind::none;
}

ncclResult_t wire_behaviour() { return behave(env_text("FAKE_NCCL_WIRE")); }

ncclResult_t windows_behaviour(bool& made) {
  const std::string how = env_text("FAKE_NCCL_WINDOWS");
  made = how != "none";
  return behave(made ? how : "");
}

}  // namespace vernier::fake_machine
