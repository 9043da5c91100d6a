# SPDX-License-Identifier: Apache-2.0
# Everything comes from Debian; tools/setup installs it. Each failure names the package.

find_package(fmt CONFIG)
find_package(nlohmann_json CONFIG)
find_package(CLI11 CONFIG)
find_package(GTest CONFIG)
find_package(benchmark CONFIG)
# toml11's and mbed TLS's packages on Debian 12 carry no usable CMake targets.
find_path(VERNIER_TOML11_INCLUDE toml.hpp)
find_path(VERNIER_MBEDTLS_INCLUDE mbedtls/sha256.h)
# By file name: the static library, since what ships may need nothing but libc.
find_library(VERNIER_MBEDCRYPTO libmbedcrypto.a)
find_path(VERNIER_ZLIB_INCLUDE zlib.h)
find_library(VERNIER_ZLIB libz.a)

function(vernier_require found package)
  if(NOT ${found})
    message(FATAL_ERROR "Debian package ${package} is missing: run tools/setup")
  endif()
endfunction()
vernier_require(fmt_FOUND libfmt-dev)
vernier_require(nlohmann_json_FOUND nlohmann-json3-dev)
vernier_require(CLI11_FOUND libcli11-dev)
vernier_require(GTest_FOUND libgtest-dev)
vernier_require(benchmark_FOUND libbenchmark-dev)
vernier_require(VERNIER_TOML11_INCLUDE libtoml11-dev)
vernier_require(VERNIER_MBEDTLS_INCLUDE libmbedtls-dev)
vernier_require(VERNIER_MBEDCRYPTO libmbedtls-dev)
vernier_require(VERNIER_ZLIB_INCLUDE zlib1g-dev)
vernier_require(VERNIER_ZLIB zlib1g-dev)

add_library(vernier_toml11 INTERFACE)
target_include_directories(vernier_toml11 SYSTEM INTERFACE ${VERNIER_TOML11_INCLUDE})

add_library(vernier_mbedcrypto INTERFACE)
target_include_directories(vernier_mbedcrypto SYSTEM INTERFACE ${VERNIER_MBEDTLS_INCLUDE})
target_link_libraries(vernier_mbedcrypto INTERFACE ${VERNIER_MBEDCRYPTO})

add_library(vernier_zlib INTERFACE)
target_include_directories(vernier_zlib SYSTEM INTERFACE ${VERNIER_ZLIB_INCLUDE})
target_link_libraries(vernier_zlib INTERFACE ${VERNIER_ZLIB})

add_library(vernier_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cc)
target_link_libraries(vernier_fmt PRIVATE vernier_warnings)
target_include_directories(vernier_fmt SYSTEM PUBLIC
  $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_options(vernier_fmt PRIVATE -ffunction-sections -fdata-sections -fvisibility=hidden)
