// SPDX-License-Identifier: Apache-2.0
#include "tools/common/usage.hpp"

#include <fmt/format.h>

#include "vernier/diagnostic.hpp"

namespace vernier {
namespace {

// What could have been meant: options for a word with a dash, else commands.
std::vector<std::string> known_words(const CLI::App& app, bool options) {
  std::vector<std::string> words;
  if (options) {
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : app.get_subcommands({})) words.push_back(sub->get_name());
  }
  return words;
}

}  // namespace

std::string describe_usage_error(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* app = &root;
  std::string command = root.get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    command += " " + app->get_name();
  }
  // A word nobody knows explains more than what is missing because of it.
  std::string problem = error.what();
  if (const auto unknown = app->remaining(); !unknown.empty()) {
    const std::string& word = unknown.front();
    const auto known = known_words(*app, word.starts_with('-'));
    problem = fmt::format("{} is not known here{}", in_quotes(word),
                          did_you_mean(word, {known.begin(), known.end()}));
  }
  return fmt::format("{}: {} (see {} --help)", command, problem, command);
}

}  // namespace vernier
