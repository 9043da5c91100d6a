// SPDX-License-Identifier: Apache-2.0
//
// NCCL versions, as ncclGetVersion returns them (2.9 and later): 2.28.9 is 22809.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vernier {

// "2.28.9"
[[nodiscard]] std::string format_nccl_version(int code);

// "2.28.9" or "2.28" (then patch 0); nullopt for any other text.
[[nodiscard]] std::optional<int> parse_nccl_version(std::string_view text);

// ">=2.28,<2.29": every constraint must hold. A version without patch stands for all its patches:
// "==2.28" and "<=2.28" contain 2.28.9.
class NcclVersionRange {
 public:
  // nullopt when the text is not a comma-separated list of (>= > <= < ==) and a version.
  [[nodiscard]] static std::optional<NcclVersionRange> parse(std::string_view text);

  [[nodiscard]] bool contains(int code) const;

  // The text it was parsed from, as written.
  [[nodiscard]] const std::string& text() const { return text_; }

  // Without blanks, constraints sorted: equal for texts that differ in spelling only.
  [[nodiscard]] std::string canonical() const;

 private:
  struct Constraint {
    std::string spelling;  // operator and version, without blanks
    int low;               // inclusive
    int high;              // inclusive
  };
  std::string text_;
  std::vector<Constraint> constraints_;
};

}  // namespace vernier
