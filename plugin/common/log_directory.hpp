// SPDX-License-Identifier: Apache-2.0
//
// Files in NCCL_VERNIER_LOG_DIR, where the plugins of all ranks write: one file per process and
// kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vernier {

// Of this process, the same for all its files. `started_ns` is wall-clock time: with it a name is
// never used twice, although pids are.
struct ProcessName {
  std::string host;
  int pid;
  std::uint64_t started_ns;
};
[[nodiscard]] const ProcessName& process_name();

// Nanoseconds since 1970.
[[nodiscard]] std::uint64_t wall_clock_ns();

// NCCL_VERNIER_LOG_DIR; nullopt where it is not set or empty. Makes the directory, not its parents;
// whether it is there and can be written to shows when it is used.
[[nodiscard]] std::optional<std::string> log_directory();

// DIRECTORY/KIND-HOST-PID-STARTED.jsonl
[[nodiscard]] std::string log_path(const std::string& directory, std::string_view kind);

// The whole file at once: a reader sees the old text or the new, also where several write it.
// Returns 0 or an errno; after an error what was there is still there.
[[nodiscard]] int replace_file(const std::string& path, std::string_view text);

// Whole lines at the end, all or none. Returns 0 or an errno.
[[nodiscard]] int append_text(const std::string& path, std::string_view text);

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace vernier
