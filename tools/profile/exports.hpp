// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/profile/profile.hpp"

namespace vernier::profile {

// Trace events, as Perfetto and chrome://tracing read them, of the job's raw files.
[[nodiscard]] std::string chrome_text(const Job& job);

// A textfile for node_exporter.
[[nodiscard]] std::string prometheus_text(const Job& job);

}  // namespace vernier::profile
