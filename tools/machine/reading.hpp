// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace vernier::machine {

// An answer of the machine, or why there is none. What is not there and what may not be looked at
// are two things: a missing file is a fact, a forbidden one is no fact at all.
template <typename T>
struct Reading {
  enum class State { absent, present, unreadable };
  State state = State::absent;
  T value{};        // of present
  std::string why;  // of unreadable: what the system said

  static Reading of(T value) { return {State::present, std::move(value), {}}; }
  static Reading unreadable(std::string why) { return {State::unreadable, {}, std::move(why)}; }

  [[nodiscard]] bool present() const { return state == State::present; }
  [[nodiscard]] bool absent() const { return state == State::absent; }
  [[nodiscard]] bool is_unreadable() const { return state == State::unreadable; }
  [[nodiscard]] T value_or(T other) const { return present() ? value : std::move(other); }
  bool operator==(const Reading&) const = default;
};

}  // namespace vernier::machine
