// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "tools/common/command.hpp"
#include "tools/workload/deployment.hpp"

namespace vernier {

// Adds `vernier workload`.
void add_workload_command(CLI::App& app, Action& action);

namespace workload {

// How a model is served: the options that `workload` and `calibrate` share. Each needs `needed`,
// unless that is null.
void add_deployment_options(CLI::App& command, Deployment& deployment, CLI::Option* needed);

// Where it is served: nodes, GPUs, links. What `calibrate` sees for itself.
void add_machine_options(CLI::App& command, Deployment& deployment);

}  // namespace workload
}  // namespace vernier
