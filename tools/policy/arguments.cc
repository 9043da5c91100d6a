// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <vector>

#include "tools/common/words.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

// The choices of which `wanted` holds, as text.
template <typename Predicate>
std::vector<std::string> choices_where(Predicate wanted) {
  std::vector<std::string> choices;
  for (std::size_t a = 0; a < kAlgorithmNames.size(); ++a) {
    for (std::size_t p = 0; p < kProtocolNames.size(); ++p) {
      const Choice choice{static_cast<Algorithm>(a), static_cast<Protocol>(p)};
      if (wanted(choice)) choices.push_back(format_choice(choice));
    }
  }
  return choices;
}

std::vector<std::string> possible_choices(Collective collective) {
  return choices_where([collective](Choice choice) { return is_possible(collective, choice); });
}

}  // namespace

Collective collective_argument(const std::string& text) {
  if (const auto collective = find_collective(text)) return *collective;
  throw std::invalid_argument(judge_word(text, {kCollectiveNames.begin(), kCollectiveNames.end()}));
}

std::uint64_t bytes_argument(const std::string& text) {
  if (const auto nbytes = parse_bytes(text)) return *nbytes;
  throw std::invalid_argument(
      fmt::format("{} is not a number of bytes; allowed: an integer from 0, with B, "
                  "KiB, MiB, GiB or nothing behind it",
                  in_quotes(text)));
}

Choice choice_argument(const std::string& text) {
  if (const auto choice = parse_choice(text)) return *choice;
  const auto every_choice = choices_where([](Choice choice) {
    for (std::size_t c = 0; c < kCollectiveNames.size(); ++c) {
      if (is_possible(static_cast<Collective>(c), choice)) return true;
    }
    return false;
  });
  throw std::invalid_argument(judge_word(text, every_choice));
}

int nccl_argument(const std::string& text) {
  if (const auto version = parse_nccl_version(text)) return *version;
  throw std::invalid_argument(
      fmt::format("{} is not a version; allowed: such as 2.28.9", in_quotes(text)));
}

void require_possible(Collective collective, Choice choice) {
  if (is_possible(collective, choice)) return;
  throw std::invalid_argument(fmt::format("NCCL has no {} for {}; allowed: {}",
                                          format_choice(choice), name_of(collective),
                                          fmt::join(possible_choices(collective), ", ")));
}

void require_nodes(int ranks, int nodes) {
  if (nodes <= ranks) return;
  throw std::invalid_argument(fmt::format("{} is more than the {}; allowed: 1 to {}", nodes,
                                          count_of(ranks, "rank"), ranks));
}

void require_name(const std::string& name) {
  Policy policy;
  policy.name = name;
  const ParsedPolicy parsed = parse_policy(write_policy(policy, WithEvidence::no));
  if (!parsed.policy) throw std::invalid_argument(parsed.errors.front().text);
}

}  // namespace vernier
