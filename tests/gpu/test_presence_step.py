# SPDX-License-Identifier: Apache-2.0
import copy
import unittest

from presence_policy import ARMS, MARKER_BYTES
from presence_step import NULL, judge_check, judge_tax, noise_floors
from report import tax_intervals
from stats import Interval

OWN = [[8, "ring/ll/1"], [65536, "ring/ll/4"], [262144, "ring/simple/8"],
       [MARKER_BYTES, "ring/simple/16"]]
GOOD = {
    "marker": ["ring", "ll"],
    "rules": 826,
    "arms": {arm: {"names_plugin": not arm.startswith("none"), "lines": OWN} for arm in ARMS},
}
GOOD = copy.deepcopy(GOOD)
GOOD["arms"]["full"]["lines"] = [*OWN[:2], [262144, "ring/ll/16"], [MARKER_BYTES, "ring/ll/16"]]


def changed(arm, key, setting):
    check = copy.deepcopy(GOOD)
    check["arms"][arm][key] = setting
    return judge_check(check)[0]


class Check(unittest.TestCase):
    def test_good(self):
        failures, not_judged = judge_check(GOOD)
        self.assertEqual(failures, [])
        self.assertEqual(not_judged, [262144])

    def test_the_plugin_must_be_in_its_images_only(self):
        self.assertTrue(changed("none-2", "names_plugin", True))
        self.assertTrue(changed("empty", "names_plugin", False))

    def test_an_empty_policy_must_choose_as_nccl_does(self):
        self.assertTrue(changed("empty", "lines", [[8, "tree/ll/1"], *OWN[1:]]))

    def test_the_full_policy_must_be_active_and_name_nccls_own_choice(self):
        self.assertTrue(changed("full", "lines", OWN))
        self.assertTrue(
            changed("full", "lines", [[8, "ring/ll/2"], *GOOD["arms"]["full"]["lines"][1:]])
        )

    def test_no_lines_are_no_success(self):
        check = copy.deepcopy(GOOD)
        for arm in ARMS:
            check["arms"][arm]["lines"] = []
        self.assertIn("arm none-1 shows no TUNING line", judge_check(check)[0])


class Tax(unittest.TestCase):
    def failures(self, **offsets_us):
        base = [10.0 + 0.1 * (pair % 5) for pair in range(20)]
        wobble = [0.02 * ((pair * 7) % 5 - 2) for pair in range(20)]
        arms = {
            arm: [b + w + offsets_us.get(arm, 0.0) for b, w in zip(base, wobble)] for arm in ARMS
        }
        arms["none-1"] = base
        cells = [{"mode": "graph", "bytes": 8192, "arms": arms}]
        intervals = tax_intervals(cells, "none-1", ARMS[1:])
        return judge_tax(intervals, noise_floors(intervals), {("graph", 8192): 10.0}, ())[1]

    def test_no_tax(self):
        self.assertEqual(self.failures(), [])

    def test_a_tax_above_the_noise_floor_is_a_failure(self):
        self.assertEqual(len(self.failures(full=0.5)), 1)
        self.assertEqual(len(self.failures(full=0.5, empty=0.5)), 2)

    def test_nothing_is_distinguishable_under_the_null_arms_own_excursion(self):
        failures = self.failures(full=0.5, **{"none-2": 0.6})
        self.assertEqual(failures, [])

    def test_an_interval_that_reaches_below_the_noise_floor_is_no_failure(self):
        intervals = {
            ("graph", 8, NULL): Interval(0.0, -0.1, 0.1, 30),
            ("graph", 8, "empty"): Interval(0.3, 0.05, 0.6, 30),
            ("graph", 8, "full"): Interval(0.3, 0.15, 0.6, 30),
        }
        floors, reference_us = noise_floors(intervals), {("graph", 8): 10.0}
        for found in judge_tax(intervals, floors, reference_us, ()):
            self.assertEqual(len(found), 1)
            self.assertIn("arm full", found[0])
        self.assertEqual(judge_tax(intervals, floors, reference_us, [8]), ([], []))

    def test_a_small_tax_is_told_and_is_no_failure(self):
        intervals = {
            ("graph", 8, NULL): Interval(0.0, -0.01, 0.01, 30),
            ("graph", 8, "empty"): Interval(0.05, 0.04, 0.06, 30),
        }
        found = judge_tax(intervals, noise_floors(intervals), {("graph", 8): 10.0}, ())
        self.assertEqual([len(texts) for texts in found], [1, 0])

    def test_the_noise_floor_is_that_of_the_neighbourhood(self):
        highs = {8: 0.1, 16: 0.9, 32: 0.2, 64: 0.3, 128: 0.1, 256: 0.1}
        intervals = {
            ("graph", size, NULL): Interval(0.0, -0.1, high, 30) for size, high in highs.items()
        }
        floors = noise_floors(intervals)
        self.assertEqual(
            [floors["graph", size] for size in highs], [0.9, 0.9, 0.9, 0.9, 0.3, 0.3]
        )


if __name__ == "__main__":
    unittest.main()
