// SPDX-License-Identifier: Apache-2.0
#include "vernier/sha256.hpp"

#include <mbedtls/sha256.h>

namespace vernier {

std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
  std::array<std::uint8_t, 32> hash{};
  // Fails only when hardware acceleration does; this build has none.
  (void)mbedtls_sha256_ret(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                           hash.data(), /*is224=*/0);
  return hash;
}

}  // namespace vernier
