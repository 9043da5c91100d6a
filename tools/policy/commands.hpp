// SPDX-License-Identifier: Apache-2.0
//
// What the commands of `vernier policy` do: one file per command, named after it. command_line.cc
// leads here; a file is a path, "-" for stdin, or (a policy) an inline: value.
#pragma once

#include <string>
#include <vector>

#include "tools/common/command.hpp"
#include "tools/policy/explanation.hpp"

namespace vernier {

struct CheckOptions {
  std::vector<std::string> files;
  bool strict = false;
  bool json = false;
};
[[nodiscard]] ExitCode check_policies(const CheckOptions& options);

struct FileOptions {
  std::string file;
  bool json = false;
};
[[nodiscard]] ExitCode show_policy(const FileOptions& options);
[[nodiscard]] ExitCode print_digest(const FileOptions& options);

struct ExplainOptions {
  std::string file;
  Call call{};
  bool json = false;
};
[[nodiscard]] ExitCode explain_call(const ExplainOptions& options);

struct DiffOptions {
  std::string a;
  std::string b;
  bool json = false;
};
[[nodiscard]] ExitCode diff_policies(const DiffOptions& options);

struct ImportOptions {
  std::string file;
  std::string output = "-";
  std::string name;
  bool json = false;
};
[[nodiscard]] ExitCode import_csv(const ImportOptions& options);

struct ExportOptions {
  std::string file;
  std::string format;  // "csv" or "inline"
  std::string output = "-";
  bool json = false;
};
[[nodiscard]] ExitCode export_policy(const ExportOptions& options);

}  // namespace vernier
