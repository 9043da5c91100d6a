// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/unknown_variables.hpp"

#include <fmt/format.h>

#include <vector>

#include "plugin/common/settings.hpp"
#include "vernier/diagnostic.hpp"

namespace vernier {

void warn_about_unknown_variables(const NcclLog& log) {
  std::vector<std::string_view> known;
  for (const Variable& variable : kVariables) known.push_back(variable.name);
  for (const std::string& name : find_unknown_variables()) {
    const std::string_view likely = nearest(name, known);
    log.warn_once("unknown variable " + name,
                  fmt::format("{} is no variable of vernier and is ignored{}", in_quotes(name),
                              likely.empty() ? "" : fmt::format("; did you mean {}?", likely)));
  }
}

}  // namespace vernier
