# SPDX-License-Identifier: Apache-2.0
import json
import unittest

from calls import KIB
from report import RatioRow
from targets import (
    TARGETS,
    geometric_mean,
    judge_all,
    judge_regressions,
    judge_target,
    target_lines,
)

TWO_NODES, FOUR_NODES, GATHER = TARGETS


def cell(nbytes, ratio, collective="allreduce", client="pynccl", mode="graph", launches=3):
    """`ratio`: one number, or one per launch."""
    ratios = ratio if isinstance(ratio, list) else [ratio] * launches
    tuned = [10.0, 10.2, 9.9]
    default = [[t * r for t in tuned] for r in ratios]
    return {
        "client": client,
        "mode": mode,
        "collective": collective,
        "bytes": nbytes,
        "arms": {"default": default, "tuned": [tuned] * len(ratios), "null": default},
    }


def row(verdict="same", ruled=False, null="same", name="pynccl graph allreduce 1 KiB"):
    return RatioRow(name, verdict, null, ruled, "")


class GeometricMean(unittest.TestCase):
    def test_of_equal_ratios(self):
        for one in geometric_mean([cell(1024, 1.2), cell(2048, 1.2)], "seed"):
            self.assertAlmostEqual(one, 1.2)

    def test_multiplies(self):
        self.assertAlmostEqual(geometric_mean([cell(1024, 2.0), cell(2048, 0.5)], "")[0], 1.0)

    def test_launches_that_disagree_widen_the_interval(self):
        cells = [cell(KIB << i, [1.1, 1.2, 1.3, 1.2]) for i in range(4)]
        value, low, high = geometric_mean(cells, "seed")
        self.assertAlmostEqual(value, 1.2)
        self.assertLess(low, 1.16)
        self.assertGreater(high, 1.24)

    def test_a_launch_is_drawn_for_all_cells_together(self):
        # One cell gains what the other loses in the same launch, so their mean is certain.
        cells = [cell(1024, [1.1, 1.2, 1.25]), cell(2048, [1 / 1.1, 1 / 1.2, 1 / 1.25])]
        for one in geometric_mean(cells, "seed"):
            self.assertAlmostEqual(one, 1.0)

    def test_same_seed_same_interval(self):
        cells = [cell(1024, [1.1, 1.2, 1.3])]
        self.assertEqual(geometric_mean(cells, "a"), geometric_mean(cells, "a"))


class Goals(unittest.TestCase):
    def test_sizes_are_all_powers_of_two_of_the_range(self):
        self.assertEqual(TWO_NODES.sizes, tuple(KIB << i for i in range(10)))
        self.assertEqual(FOUR_NODES.sizes, tuple(32 * KIB << i for i in range(5)))
        self.assertEqual(GATHER.sizes, (4096 * KIB,))

    def test_reached_and_missed(self):
        reached = judge_target(TWO_NODES, [cell(s, 1.16) for s in TWO_NODES.sizes])
        self.assertEqual(
            reached.text(),
            "target 2x1-tcp allreduce 1 KiB to 512 KiB: reached: 1.160 [1.160, 1.160], "
            "wanted 1.15, hoped 1.25",
        )
        missed = judge_target(TWO_NODES, [cell(s, 1.14) for s in TWO_NODES.sizes])
        self.assertEqual(missed.status, "missed")

    def test_one_size(self):
        reached = judge_target(GATHER, [cell(4096 * KIB, 1.3, "allgather")])
        self.assertIn("allgather 4 MiB: reached: 1.300 [", reached.text())

    def test_a_size_that_was_not_timed_is_not_left_out_silently(self):
        timing = [cell(s, 2.0) for s in TWO_NODES.sizes[1:]]
        unknown = judge_target(TWO_NODES, timing)
        self.assertEqual(unknown.status, "unknown")
        self.assertIn("9 of 10 sizes", unknown.text())

    def test_a_size_that_a_launch_did_not_time_is_unknown(self):
        timing = [cell(s, 2.0) for s in TWO_NODES.sizes[1:]] + [cell(1024, 2.0, launches=2)]
        self.assertEqual(judge_target(TWO_NODES, timing).status, "unknown")

    def test_only_graphs_of_pynccl_count(self):
        timing = [cell(s, 1.2) for s in TWO_NODES.sizes]
        others = [
            cell(s, 0.5, collective, client, mode)
            for s in TWO_NODES.sizes
            for collective, client, mode in (
                ("allreduce", "torch", "graph"),
                ("allreduce", "pynccl", "eager"),
                ("allgather", "pynccl", "graph"),
            )
        ]
        self.assertAlmostEqual(judge_target(TWO_NODES, timing + others).value, 1.2)


class Regressions(unittest.TestCase):
    def test_none(self):
        outcome = judge_regressions("2x2-tcp", [row("win", True), row()])
        self.assertEqual(outcome.status, "reached")
        self.assertIn("0 of 2 calls below 0.98", outcome.text())

    def test_one_without_a_rule_counts_and_is_told_apart(self):
        rows = [row("regression", False, name="a"), row("regression", True, name="b"),
                row(null="regression")]
        outcome = judge_regressions("2x2-tcp", rows)
        self.assertEqual((outcome.status, outcome.value), ("missed", 2.0))
        self.assertIn("2 of 3 calls below 0.98, 1 of them where a rule is; 1 in the null arm: "
                      "b (rule); a", outcome.text())

    def test_nothing_timed_is_no_success(self):
        self.assertEqual(judge_regressions("2x2-tcp", []).status, "unknown")


class All(unittest.TestCase):
    def test_a_fabric_has_its_own_targets_and_no_regression(self):
        self.assertEqual([o.name for o in judge_all("2x2-tcp", [], [row()])],
                         ["2x2-tcp no regression"])
        outcomes = judge_all("4x1-tcp", [], [row()])
        self.assertEqual([o.status for o in outcomes], ["unknown", "reached"])

    def test_lines_from_samples(self):
        timing = [cell(KIB, 0.9), cell(2 * KIB, 0.9, mode="eager"), cell(4 * KIB, 1.1)]
        (line,) = target_lines("2x2-tcp", timing, lambda _, size: 0 if size == KIB else None)
        self.assertIn("2 of 3 calls below 0.98, 1 of them where a rule is; 0 in the null arm: "
                      "pynccl graph allreduce 1 KiB (rule); pynccl eager allreduce 2 KiB", line)

    def test_rows_are_json(self):
        for outcome in judge_all("2x1-tcp", [cell(s, 1.2) for s in TWO_NODES.sizes], [row()]):
            self.assertEqual(json.loads(json.dumps(outcome.row())), outcome.row())


if __name__ == "__main__":
    unittest.main()
