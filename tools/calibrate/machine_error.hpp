// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace vernier::calibrate {

// Something the machine lacks or refused; what() is for a person.
class MachineError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace vernier::calibrate
