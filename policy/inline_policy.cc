// SPDX-License-Identifier: Apache-2.0
#include <mbedtls/base64.h>

#include "vernier/policy.hpp"

namespace vernier {
namespace {

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::optional<std::string> encode_inline(const Policy& policy) {
  const std::string text = write_policy(policy, WithEvidence::no);
  std::string base64(text.size() / 3 * 4 + 5, '\0');  // mbed TLS wants room for a final NUL
  std::size_t length = 0;
  if (mbedtls_base64_encode(reinterpret_cast<unsigned char*>(base64.data()), base64.size(), &length,
                            bytes(text), text.size()) != 0 ||
      length > kMaxInlineBytes) {
    return std::nullopt;
  }
  base64.resize(length);
  return std::string(kInlinePrefix) + base64;
}

std::optional<std::string> decode_inline(std::string_view base64) {
  // A value kept in a file often ends with a newline.
  base64 = base64.substr(0, base64.find_last_not_of(" \t\r\n") + 1);
  // mbed TLS drops an incomplete last group without an error.
  if (base64.size() > kMaxInlineBytes || base64.size() % 4 != 0) return std::nullopt;
  std::string text(base64.size() / 4 * 3 + 3, '\0');
  std::size_t length = 0;
  if (mbedtls_base64_decode(reinterpret_cast<unsigned char*>(text.data()), text.size(), &length,
                            bytes(base64), base64.size()) != 0) {
    return std::nullopt;
  }
  text.resize(length);
  return text;
}

}  // namespace vernier
