// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/common/output.hpp"
#include "tools/explain/account.hpp"
#include "tools/explain/matters.hpp"

namespace vernier::joblog {

[[nodiscard]] std::string text_of(const JobEvidence& evidence, const Account& account,
                                  const Matters& matters);
[[nodiscard]] Json json_of(const JobEvidence& evidence, const Account& account,
                           const Matters& matters);

// All of it in one sentence.
[[nodiscard]] std::string verdict_of(const Account& account, const Matters& matters);

}  // namespace vernier::joblog
