// SPDX-License-Identifier: Apache-2.0
//
// Which bundles a calibration is to try.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/bundle.hpp"

namespace vernier::calibrate {

struct Offer {
  std::vector<Bundle> bundles;
  std::vector<std::string> left_out;  // a line for each that is not tried, with why
};

// Of `known`. `environment`: what is set already. Throws std::runtime_error where two have one
// name.
[[nodiscard]] Offer offer_bundles(const std::vector<Bundle>& known, int nccl_version,
                                  bool conditional,
                                  const std::map<std::string, std::string>& environment);

// "none" or nothing, "shipped" or a file. Throws std::runtime_error, which says what is wrong.
[[nodiscard]] std::vector<Bundle> read_bundles(const std::string& from);

// The bundles of a header, by name; null where there is none.
[[nodiscard]] Json header_of(const std::vector<Bundle>& bundles);

}  // namespace vernier::calibrate
