// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vernier::calibrate {

// Told by a search how far it is. Work is in seconds as they were expected beforehand.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void remaining(double expected_s) = 0;
  virtual void done(double expected_s) = 0;
  // What is being measured now.
  virtual void show(const std::string& what) = 0;
  // A line that stays: something a person should know.
  virtual void note(const std::string& line) = 0;
  // True when the user wants to stop.
  [[nodiscard]] virtual bool stopped() const = 0;
};

}  // namespace vernier::calibrate
