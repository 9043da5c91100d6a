// SPDX-License-Identifier: Apache-2.0
#include "tools/common/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vernier {

std::string Table::text() const {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (std::any_of(titles.begin(), titles.end(), [](const auto& t) { return !t.empty(); })) {
    lines.push_back(std::move(titles));
  }
  lines.insert(lines.end(), rows_.begin(), rows_.end());

  std::vector<std::size_t> widths(columns_.size());
  for (const auto& line : lines) {
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], line[c].size());
  }
  std::string out;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t c = 0; c < line.size(); ++c) {
      row += columns_[c].align == Align::right ? fmt::format("{:>{}}", line[c], widths[c])
                                               : fmt::format("{:<{}}", line[c], widths[c]);
      row += "  ";
    }
    row.erase(row.find_last_not_of(' ') + 1);
    out += (out.empty() ? "" : "\n") + row;
  }
  return out;
}

}  // namespace vernier
