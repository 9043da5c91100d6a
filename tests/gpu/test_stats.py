# SPDX-License-Identifier: Apache-2.0
import random
import unittest

from stats import (
    Interval,
    bootstrap_median,
    judge,
    judge_cell,
    launch_ratio,
    median,
    paired_difference,
    percentile,
)


def noisy(center_us, pairs=30, seed=1):
    generator = random.Random(seed)
    return [center_us * generator.uniform(0.97, 1.03) for _ in range(pairs)]


class Median(unittest.TestCase):
    def test_odd_and_even(self):
        self.assertEqual(median([3, 1, 2]), 2)
        self.assertEqual(median([4, 1, 2, 3]), 2.5)

    def test_of_nothing_is_an_error(self):
        with self.assertRaises(ValueError):
            median([])

    def test_percentile_is_linear_between_neighbours(self):
        self.assertEqual(percentile([0.0, 10.0], 0.25), 2.5)
        self.assertEqual(percentile([1.0, 2.0, 3.0], 1.0), 3.0)


class Bootstrap(unittest.TestCase):
    def test_same_seed_same_interval(self):
        self.assertEqual(bootstrap_median(noisy(10), "a"), bootstrap_median(noisy(10), "a"))

    def test_interval_holds_the_median_and_narrows_with_samples(self):
        few = bootstrap_median(noisy(10, pairs=10), 1)
        many = bootstrap_median(noisy(10, pairs=1000), 1)
        for interval in (few, many):
            self.assertLessEqual(interval.low, interval.median)
            self.assertGreaterEqual(interval.high, interval.median)
        self.assertLess(many.high - many.low, few.high - few.low)

    def test_covers_the_truth_about_as_often_as_it_says(self):
        generator = random.Random(5)
        hits = 0
        for trial in range(200):
            values = [generator.gauss(0, 1) for _ in range(30)]
            interval = bootstrap_median(values, trial, resamples=400)
            hits += interval.low <= 0 <= interval.high
        self.assertGreater(hits, 170)
        self.assertLess(hits, 200)

    def test_unequal_lists_are_not_pairs(self):
        with self.assertRaises(ValueError):
            launch_ratio([[1, 2]], [[1]], 0)
        with self.assertRaises(ValueError):
            launch_ratio([[1, 2], [1, 2]], [[1, 2]], 0)
        with self.assertRaises(ValueError):
            paired_difference([], [], 0)

    def test_ratio_above_one_means_the_other_is_faster(self):
        self.assertGreater(launch_ratio([noisy(12)], [noisy(10, seed=2)], 0).low, 1.0)

    def test_difference_above_zero_means_the_other_is_slower(self):
        self.assertGreater(paired_difference(noisy(10), noisy(12, seed=2), 0).low, 0.0)


class Launches(unittest.TestCase):
    def test_a_communicator_that_is_slow_by_itself_is_no_regression(self):
        # Certain within each launch, but not of one mind.
        default = [noisy(10, seed=s) for s in range(4)]
        tuned = [noisy(11, seed=5), noisy(10, seed=6), noisy(9.5, seed=7), noisy(10.4, seed=8)]
        interval = launch_ratio(default, tuned, 0)
        self.assertLess(interval.low, 1.0)
        self.assertGreater(interval.high, 1.0)
        self.assertEqual(judge(launch_ratio(default[:1], tuned[:1], 0)), "regression")

    def test_what_every_launch_shows_is_found(self):
        default = [noisy(10, seed=s) for s in range(4)]
        tuned = [noisy(11, seed=s + 10) for s in range(4)]
        self.assertEqual(judge(launch_ratio(default, tuned, 0)), "regression")
        self.assertEqual(judge(launch_ratio(tuned, default, 0)), "win")


class Judge(unittest.TestCase):
    def test_regression_needs_the_whole_interval_below(self):
        self.assertEqual(judge(Interval(0.95, 0.93, 0.979, 30)), "regression")
        self.assertEqual(judge(Interval(0.95, 0.93, 0.981, 30)), "same")

    def test_win_needs_the_whole_interval_above_one(self):
        self.assertEqual(judge(Interval(1.05, 1.001, 1.1, 30)), "win")
        self.assertEqual(judge(Interval(1.05, 0.999, 1.1, 30)), "same")

    def test_a_cell_is_judged_by_its_tuned_arm_and_shows_its_null_arm(self):
        arms = {"default": [noisy(10)], "tuned": [noisy(12, seed=2)], "null": [noisy(10, seed=3)]}
        cell = {"collective": "allreduce", "bytes": 8192, "mode": "graph", "arms": arms}
        tuned, null, verdict = judge_cell(cell)
        self.assertEqual(verdict, "regression")
        self.assertLess(tuned.high, null.low)


if __name__ == "__main__":
    unittest.main()
