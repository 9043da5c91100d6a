// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "vernier/policy.hpp"

namespace vernier {

// Turns rows of which the first that matches wins into rules that do not overlap: what earlier
// rows take is cut out of later ones. A row that an earlier one overlaps in some of its shapes
// only becomes no rule, and an error: "any ranks but 4" cannot be said. A row whose calls are all
// taken becomes none either, with a warning.
class FirstMatch {
 public:
  // Both lists outlive the converter; add() appends to them.
  FirstMatch(std::vector<Rule>& rules, Diagnostics& findings)
      : rules_(rules), findings_(findings) {}

  // The next row. If not `allowed`, it takes its calls from later rows without becoming a rule.
  void add(const Rule& row, bool allowed);

 private:
  void convert(const Rule& row);
  void report(Diagnostic::Severity severity, const Rule& row, std::string text);

  std::vector<Rule>& rules_;
  Diagnostics& findings_;
  std::vector<Rule> rows_;  // all that were added
};

}  // namespace vernier
