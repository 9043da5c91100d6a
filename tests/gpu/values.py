# SPDX-License-Identifier: Apache-2.0
"""Test data whose sums are exact in bf16.

bf16 represents every integer up to 256. Values are small enough that the sum over all ranks never
exceeds that, so every order of additions gives the same exact result and results can be compared
for equality.
"""

BF16_EXACT_INTEGERS_UP_TO = 256


def value_limit(ranks):
    """Values are 0 .. value_limit - 1."""
    return BF16_EXACT_INTEGERS_UP_TO // ranks


def value(rank, index, seed, ranks):
    """The element `index` of `rank`'s buffer in round `seed`.

    `index` is an int or an int64 tensor of indices below 2**31: every product stays below 2**63,
    so both give the same numbers.
    """
    mixed = (index * 1664525 + rank * 1013904223 + seed * 69069 + 12345) & 0xFFFFFFFF
    mixed = mixed ^ (mixed >> 15)
    mixed = (mixed * 1103515245) & 0xFFFFFFFF
    mixed = mixed ^ (mixed >> 13)
    return (mixed >> 7) % value_limit(ranks)
