# SPDX-License-Identifier: Apache-2.0
import unittest

from values import value, value_limit


class Values(unittest.TestCase):
    def test_every_sum_is_an_exact_bf16_integer(self):
        for ranks in (2, 4, 8):
            self.assertLessEqual(ranks * (value_limit(ranks) - 1), 256)
            for index in range(2000):
                parts = [value(rank, index, 3, ranks) for rank in range(ranks)]
                self.assertTrue(all(0 <= part < value_limit(ranks) for part in parts))

    def test_products_fit_a_signed_64_bit_tensor(self):
        largest_index, largest_rank, largest_seed = 2**31 - 1, 63, 1000
        self.assertLess(
            largest_index * 1664525 + largest_rank * 1013904223 + largest_seed * 69069, 2**63
        )
        self.assertLess(0xFFFFFFFF * 1103515245, 2**63)

    def test_rank_index_and_seed_all_matter(self):
        base = [value(0, i, 0, 4) for i in range(256)]
        for other in (
            [value(1, i, 0, 4) for i in range(256)],
            [value(0, i + 1, 0, 4) for i in range(256)],
            [value(0, i + 64, 0, 4) for i in range(256)],
            [value(0, i, 1, 4) for i in range(256)],
        ):
            same = sum(a == b for a, b in zip(base, other))
            self.assertLess(same, 16)  # 4 are expected by chance


if __name__ == "__main__":
    unittest.main()
