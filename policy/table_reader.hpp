// SPDX-License-Identifier: Apache-2.0
//
// Reads one TOML table by a schema and collects every error. Each reading function returns nullopt
// after an error it recorded, or when the key is absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/toml_tree.hpp"

namespace vernier {

class TableReader {
 public:
  // `what` names the table in errors, e.g. "[match]". The node and the list outlive the reader.
  TableReader(const TomlNode& table, std::string what, Diagnostics& errors)
      : table_(table), what_(std::move(what)), errors_(errors) {}

  // The value of a key of the schema, or nullptr when the table has none.
  const TomlNode* find(std::string_view key);
  // As find(), and an error when absent.
  const TomlNode* need(std::string_view key);

  std::optional<std::string> text(std::string_view key);
  std::optional<double> number(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t low, std::int64_t high);

  // Call last: every key that was not asked for is an error that names the nearest one.
  void finish();

  void fail(Location where, std::string text);
  // "KEY must be WANTED; found FOUND", at the value.
  void wrong(std::string_view key, std::string_view wanted, const TomlNode& found);

 private:
  const TomlNode& table_;
  std::string what_;
  Diagnostics& errors_;
  std::vector<std::string_view> schema_;  // keys asked for so far
};

}  // namespace vernier
