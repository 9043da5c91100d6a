// SPDX-License-Identifier: Apache-2.0
//
// The releases that the NCCL-like host has a row for, as ncclGetVersion spells them.
#pragma once

namespace vernier::contract {

inline constexpr int kEveryRelease[] = {22105, 22203, 22304, 22403, 22501, 22602, 22703, 22705,
                                        22803, 22809, 22907, 23004, 23007, 23102, 23203, 23206};

// With a cost table: 2.22 and later.
inline constexpr int kTableReleases[] = {22203, 22304, 22403, 22501, 22602, 22703, 22705, 22803,
                                         22809, 22907, 23004, 23007, 23102, 23203, 23206};

}  // namespace vernier::contract
