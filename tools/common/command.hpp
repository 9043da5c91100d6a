// SPDX-License-Identifier: Apache-2.0
//
// What every command has in common: once the whole command line has been understood, there is an
// action, and it ends in an exit code.
#pragma once

#include <functional>

namespace vernier {

enum class ExitCode : int {
  fine = 0,
  findings = 1,        // it looked, and found something to say
  usage = 2,           // the command line
  could_not_look = 3,  // a file that cannot be read or written, or a policy with errors
};

using Action = std::function<ExitCode()>;

}  // namespace vernier
