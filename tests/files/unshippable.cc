// SPDX-License-Identifier: Apache-2.0
//
// What check_binary must refuse: libstdc++ from outside, a symbol of glibc 2.36 and an export too
// many.
#include <random>

extern "C" unsigned only_this() { return std::random_device()(); }
extern "C" unsigned and_this() { return only_this(); }
