// SPDX-License-Identifier: Apache-2.0
//
// The edge between C++ and NCCL: nothing is thrown across it.
#pragma once

#include <utility>

namespace vernier {

// Runs `body`; what it throws (memory, in practice) ends here, and the caller goes on as if vernier
// were not there.
template <typename Body>
void guard(Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
  } catch (...) {
  }
}

}  // namespace vernier
