// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/explain/job_log.hpp"

namespace vernier::joblog {

// Adds the lines of a file, or of stdin for "-". Returns why it cannot be read, or nothing. Reads
// in pieces: a log may be larger than memory.
[[nodiscard]] std::string read_log(const std::string& file, JobLog& log);

}  // namespace vernier::joblog
