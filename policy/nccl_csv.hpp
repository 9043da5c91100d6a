// SPDX-License-Identifier: Apache-2.0
//
// The CSV of NCCL's example tuner: a row is
//   colltype,minbytes,maxbytes,algorithm,protocol,channels,nNodes,nRanks[,numPipeOps][,regBuff]
// where -1 means any, # starts a comment line, and the first row that matches wins. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "vernier/policy.hpp"

namespace vernier {

struct CsvImport {
  std::vector<Rule> rules;  // in the order of the rows; Rule::where is a place in the CSV
  // Errors: rows that were not converted. Warnings: rows that never matched anything.
  Diagnostics findings;
};

// Rules of a policy have no order, so what earlier rows take is cut out of later ones. A row is
// not converted when
//   - it has an unknown name, a bad number, or says what no policy may say (an impossible pair);
//   - it depends on numPipeOps or regBuff, which rules do not see;
//   - an earlier row takes some of its calls by ranks or nodes: "any but these" is no rule.
// Rows of the last kind still take their calls from later rows, so that no rule decides a call
// for which the CSV means something else.
[[nodiscard]] CsvImport import_nccl_csv(std::string_view text);

// What it cannot say is lost: match, environment, instead_of, alignment, evidence, names.
[[nodiscard]] std::string export_nccl_csv(const Policy& policy);

}  // namespace vernier
