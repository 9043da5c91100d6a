# SPDX-License-Identifier: Apache-2.0
import dataclasses
import unittest

from oracle import Oracle, Situation, gpu_matches, nccl_matches, parse_bytes

HERE = Situation(ranks=4, nodes=1, gpu="NVIDIA H200", nccl=(2, 28), environment={})
RULE = {
    "collective": "allgather",
    "min_bytes": "2MiB",
    "max_bytes": "8MiB",
    "ranks": 4,
    "nodes": 1,
    "instead_of": "ring/simple",
    "algorithm": "ring",
    "protocol": "ll128",
    "channels": 24,
}
MIB = 1 << 20


def policy(*rules, **tables):
    return {"schema": 1, "rule": list(rules), **tables}


def expect(the_policy, situation=HERE, collective="allgather", nbytes=4 * MIB, default="simple"):
    return Oracle(the_policy, situation).expect(collective, nbytes, "ring", default)


class Sizes(unittest.TestCase):
    def test_units(self):
        self.assertEqual(parse_bytes("64KiB"), 65536)
        self.assertEqual(parse_bytes("3MiB"), 3 * MIB)
        self.assertEqual(parse_bytes("1000"), 1000)
        self.assertEqual(parse_bytes(1000), 1000)

    def test_other_text_is_an_error(self):
        for text in ("64KB", "64 kib", "", "1.5MiB", "-1"):
            with self.assertRaises(ValueError, msg=text):
                parse_bytes(text)


class Guards(unittest.TestCase):
    def test_gpu_name_is_exact_unless_it_ends_in_a_star(self):
        self.assertTrue(gpu_matches("NVIDIA H200", "NVIDIA H200"))
        self.assertFalse(gpu_matches("NVIDIA H200", "NVIDIA H200 NVL"))
        self.assertTrue(gpu_matches("NVIDIA H200*", "NVIDIA H200 NVL"))

    def test_nccl_range(self):
        self.assertTrue(nccl_matches(">=2.28,<2.29", (2, 28)))
        self.assertFalse(nccl_matches(">=2.28,<2.29", (2, 29)))
        self.assertFalse(nccl_matches(">=2.28,<2.29", (2, 27)))

    def test_another_gpu_is_inert_on_one_node_only(self):
        guarded = policy({**RULE, "nodes": 2}, match={"gpu": "NVIDIA B200"})
        two_nodes = dataclasses.replace(HERE, nodes=2)
        self.assertEqual(expect(guarded, two_nodes).rule, 0)
        self.assertIsNone(expect(policy(RULE, match={"gpu": "NVIDIA B200"})).rule)

    def test_another_nccl_is_inert(self):
        self.assertIsNone(expect(policy(RULE, match={"nccl": ">=2.29,<2.30"})).rule)

    def test_environment_has_to_be_set_as_stated(self):
        stated = policy(RULE, environment={"NCCL_SYM_NOWIN_ENABLE": "1"})
        self.assertIsNone(expect(stated).rule)
        set_so = dataclasses.replace(HERE, environment={"NCCL_SYM_NOWIN_ENABLE": "1"})
        self.assertEqual(expect(stated, set_so).rule, 0)

    def test_unknown_schema_is_an_error(self):
        with self.assertRaises(ValueError):
            Oracle({"schema": 2}, HERE)


class Rules(unittest.TestCase):
    def test_both_ends_belong_to_the_range(self):
        for nbytes, rule in ((2 * MIB - 1, None), (2 * MIB, 0), (8 * MIB, 0), (8 * MIB + 1, None)):
            self.assertEqual(expect(policy(RULE), nbytes=nbytes).rule, rule, nbytes)

    def test_collective_and_shape_have_to_match(self):
        self.assertIsNone(expect(policy(RULE), collective="allreduce").rule)
        self.assertIsNone(expect(policy({**RULE, "ranks": 2})).rule)
        self.assertIsNone(expect(policy({**RULE, "nodes": 2})).rule)
        anywhere = {k: v for k, v in RULE.items() if k not in ("ranks", "nodes")}
        self.assertEqual(expect(policy(anywhere)).rule, 0)

    def test_steps_aside_where_nccl_chooses_otherwise(self):
        aside = expect(policy(RULE), default="ll")
        self.assertEqual((aside.rule, aside.algorithm, aside.protocol), (None, "ring", "ll"))
        always = {k: v for k, v in RULE.items() if k != "instead_of"}
        self.assertEqual(expect(policy(always), default="ll").rule, 0)

    def test_what_is_expected(self):
        found = expect(policy(RULE))
        self.assertEqual((found.algorithm, found.protocol, found.channels), ("ring", "ll128", 24))

    def test_allgather_channels_are_ignored_where_nccl_does_not_clamp_them(self):
        for minor, channels in ((28, 24), (29, None), (30, None)):
            situation = dataclasses.replace(HERE, nccl=(2, minor))
            self.assertEqual(expect(policy(RULE), situation).channels, channels)

    def test_alignment_is_of_the_part_of_a_rank(self):
        aligned = policy({**RULE, "alignment": 16})
        for more, rule in ((0, 0), (4, None), (32, None), (64, 0), (80, None)):
            self.assertEqual(expect(aligned, nbytes=4 * MIB + more).rule, rule, more)

    def test_overlap_is_an_error(self):
        with self.assertRaises(ValueError):
            expect(policy(RULE, RULE))


if __name__ == "__main__":
    unittest.main()
