// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "tools/common/input.hpp"
#include "tools/common/json_members.hpp"
#include "tools/profile/profile.hpp"

namespace vernier::profile {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30;

// The text, or nothing and a problem.
std::optional<std::string> read(const std::string& file, std::vector<std::string>& problems) {
  Input input = read_input(file, kMaxFileBytes);
  if (input.problem.empty() && input.text.size() > kMaxFileBytes) {
    input.problem = fmt::format("more than {} MiB", kMaxFileBytes >> 20);
  }
  if (input.problem.empty()) return std::move(input.text);
  problems.push_back(fmt::format("{}: {}", file, input.problem));
  return std::nullopt;
}

}  // namespace

Job read_job(const std::string& directory, WithRaw raw) {
  // Listed twice: a file that is replaced meanwhile, as the plugin does, may be missing in a
  // listing.
  std::set<std::string> files;
  for (int listing = 0; listing < 2; ++listing) {
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      std::error_code unknown;
      // Not a pipe, which would never end.
      if (entry->path().extension() == ".jsonl" && entry->is_regular_file(unknown)) {
        files.insert(entry->path().string());
      }
    }
    if (error) throw Malformed(fmt::format("{}: {}", directory, error.message()));
  }

  Job job;
  for (const std::string& file : files) {
    const std::string name = std::filesystem::path(file).filename().string();
    const bool is_profile = name.starts_with("profile-");
    const bool is_raw = name.starts_with("raw0-") || name.starts_with("raw1-");
    if (is_raw ? raw == WithRaw::no : !is_profile && !name.starts_with("tuner-")) continue;
    const auto text = read(file, job.problems);
    if (!text) continue;
    try {
      if (is_profile) {
        job.profiles.push_back(read_profile(file, *text, job.problems));
      } else if (is_raw) {
        job.raw.push_back(read_raw(file, *text, job.problems));
      } else {
        const auto decisions = read_tuner_decisions(file, *text, job.problems);
        job.tuner_decisions.insert(job.tuner_decisions.end(), decisions.begin(), decisions.end());
      }
    } catch (const Malformed& problem) {
      job.problems.push_back(fmt::format("{}: {}", file, problem.what()));
    }
  }
  if (job.profiles.empty()) {
    std::string why = fmt::format("{}: no file profile-*.jsonl that can be read", directory);
    for (const std::string& problem : job.problems) why += "\n" + problem;
    throw Malformed(why);
  }
  return job;
}

}  // namespace vernier::profile
