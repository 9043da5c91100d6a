// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "tools/calibrate/progress.hpp"

namespace vernier::calibrate {

// Progress on stderr: one line that is rewritten where that is a terminal, else a line now and
// then. From its construction on SIGINT and SIGTERM mean stop; a second one ends the process as
// usual.
class TerminalProgress : public Progress {
 public:
  explicit TerminalProgress(bool quiet);
  ~TerminalProgress() override;

  void remaining(double expected_s) override;
  void done(double expected_s) override;
  void show(const std::string& what) override;
  void note(const std::string& line) override;
  [[nodiscard]] bool stopped() const override;

 private:
  [[nodiscard]] double elapsed_s() const;
  [[nodiscard]] std::string time_left() const;
  void clear();

  bool quiet_;
  bool terminal_;
  std::chrono::steady_clock::time_point started_;
  double done_s_ = 0;       // as expected
  double remaining_s_ = 0;  // as expected
  double shown_at_s_ = -1e9;
  std::size_t shown_width_ = 0;
};

}  // namespace vernier::calibrate
