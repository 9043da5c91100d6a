// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/explain/account.hpp"

namespace vernier::joblog {

// Adds to `account` the findings and notes that follow from the rest of it.
void add_findings(const JobEvidence& evidence, Account& account);

}  // namespace vernier::joblog
