// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/bundle.hpp"
#include "tools/calibrate/call_options.hpp"

namespace vernier {

// `env_help`: what --env is for.
void add_call_options(CLI::App& command, calibrate::CallOptions& options,
                      const std::string& env_help);

// --rendezvous and --rendezvous-timeout-s alone.
void add_rendezvous_options(CLI::App& command, calibrate::CallOptions& options);

// --env-bundle, may be repeated.
void add_bundle_option(CLI::App& command, std::vector<calibrate::Bundle>& bundles,
                       const std::string& help);

// For a command that all tasks of a job run: which rank of a launcher's job this process is.
// CLI::ValidationError where the environment does not say it clearly.
void find_place_in_job(calibrate::CallOptions& options);

}  // namespace vernier
