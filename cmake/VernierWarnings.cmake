# SPDX-License-Identifier: Apache-2.0
# vernier_warnings: warnings and sanitizers for our own targets, linked PRIVATE by each.

add_library(vernier_warnings INTERFACE)
target_compile_options(vernier_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
  # GCC 12 sees overlaps in std::string concatenation that are not there (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<BOOL:${VERNIER_WERROR}>:-Werror>)
if(VERNIER_SANITIZE)
  target_compile_options(vernier_warnings INTERFACE
    -fsanitize=${VERNIER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vernier_warnings INTERFACE -fsanitize=${VERNIER_SANITIZE})
endif()
