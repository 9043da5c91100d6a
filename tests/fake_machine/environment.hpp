// SPDX-License-Identifier: Apache-2.0
//
// Environment variables, read when they are needed: a test sets them in the child it forked.
#pragma once

#include <cstdlib>
#include <string>

namespace vernier::fake_machine {

inline std::string env_text(const char* name, const char* otherwise = "") {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : text;
}

inline long env_number(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtol(text, nullptr, 10);
}

}  // namespace vernier::fake_machine
