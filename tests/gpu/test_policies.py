# SPDX-License-Identifier: Apache-2.0
import tomllib
import unittest

from fabrics import FABRICS, boundary_bytes, representative_bytes, survey_calls, timing_plan
from inline_policy import MAX_BASE64_BYTES, PREFIX, decode, encode, strip_evidence
from oracle import Oracle, Situation, parse_bytes
from presence_policy import LARGEST_TIMED_BYTES, MARKER_BYTES, full_policy, largest_full_policy


def oracle_of(fabric):
    situation = Situation(fabric.ranks, fabric.nodes, "NVIDIA H200", (2, 28), {})
    return Oracle(fabric.policy(), situation)


class Inline(unittest.TestCase):
    def test_round_trip_without_evidence(self):
        for fabric in FABRICS.values():
            wanted = fabric.policy()
            for rule in wanted["rule"]:
                rule.pop("evidence", None)
            text = encode(fabric.policy_text())
            self.assertTrue(text.startswith(PREFIX))
            self.assertEqual(tomllib.loads(decode(text)), wanted)

    def test_evidence_is_gone(self):
        text = FABRICS["tp4-nvlink"].policy_text()
        self.assertIn("evidence", text)
        self.assertNotIn("evidence", strip_evidence(text))

    def test_evidence_that_is_no_line_of_its_own_is_noticed(self):
        text = 'schema = 1\nrule = [{collective = "allreduce",\nevidence = {samples = 3}}]\n'
        with self.assertRaises((ValueError, tomllib.TOMLDecodeError)):
            strip_evidence(text)

    def test_losing_anything_else_is_noticed(self):
        with self.assertRaises(ValueError):
            strip_evidence('schema = 1\nname = """\n# part of the name\n"""\n')

    def test_too_long(self):
        with self.assertRaises(ValueError):
            encode(f'schema = 1\nname = "{"x" * MAX_BASE64_BYTES}"\n')

    def test_only_inline_text_is_decoded(self):
        with self.assertRaises(ValueError):
            decode("/etc/policy.toml")
        with self.assertRaises(ValueError):
            decode("INLINE:" + encode("schema = 1\n")[len(PREFIX) :])


class Shipped(unittest.TestCase):
    def test_every_rule_names_its_shape_and_is_exercised_by_the_survey(self):
        for fabric in FABRICS.values():
            oracle = oracle_of(fabric)
            self.assertIsNone(oracle.inert_because)
            # covering_rule raises where two rules overlap.
            covered = {
                oracle.covering_rule(call.collective, call.total_bytes)
                for call in survey_calls(fabric, fabric.policy())
            }
            self.assertEqual(covered, {None, *range(len(oracle.rules))}, fabric.name)
            for rule in oracle.rules:
                self.assertEqual((rule["ranks"], rule["nodes"]), (fabric.ranks, fabric.nodes))

    def test_first_use_sizes_are_surveyed(self):
        for fabric in FABRICS.values():
            calls = {(c.collective, c.total_bytes) for c in survey_calls(fabric, fabric.policy())}
            for rule in fabric.policy()["rule"]:
                nbytes = representative_bytes(rule, fabric.ranks)
                self.assertIn((rule["collective"], nbytes), calls)
                self.assertLessEqual(parse_bytes(rule["min_bytes"]), nbytes)
                self.assertLessEqual(nbytes, parse_bytes(rule["max_bytes"]))
            self.assertIn(("allreduce", 16384), calls)

    def test_boundaries_lie_on_both_sides(self):
        rule = {"collective": "allgather", "min_bytes": 104, "max_bytes": 200}
        self.assertEqual(boundary_bytes(rule, 4), [96, 104, 200, 208])

    def test_boundaries_are_surveyed(self):
        for fabric in FABRICS.values():
            calls = {(c.collective, c.total_bytes) for c in survey_calls(fabric, fabric.policy())}
            for rule in fabric.policy()["rule"]:
                for nbytes in boundary_bytes(rule, fabric.ranks):
                    self.assertIn((rule["collective"], nbytes), calls)

    def test_representative_is_a_power_of_two_where_there_is_one(self):
        rule = {"collective": "allgather", "min_bytes": 3000, "max_bytes": 5000}
        self.assertEqual(representative_bytes(rule, 4), 4096)
        self.assertEqual(representative_bytes({**rule, "max_bytes": 4001}, 4), 4000)

    def test_every_depth_times_every_rule(self):
        for fabric in FABRICS.values():
            oracle = oracle_of(fabric)
            for client in ("pynccl", "torch"):
                for depth in ("full", "brief", "quick"):
                    timed = {
                        oracle.covering_rule(call.collective, call.total_bytes)
                        for call in timing_plan(fabric, client, depth).calls()
                    }
                    missing = set(range(len(oracle.rules))) - timed
                    self.assertFalse(missing, f"{fabric.name} {client} {depth}")


class Presence(unittest.TestCase):
    def test_bands_cover_the_timed_sizes_without_gap_or_overlap(self):
        rules = tomllib.loads(full_policy(50, "ring", "simple"))["rule"]
        self.assertEqual(len(rules), 50)
        first = 1
        for rule in rules[:-1]:
            self.assertEqual(rule["min_bytes"], first)
            first = rule["max_bytes"] + 1
        self.assertEqual(first, LARGEST_TIMED_BYTES + 1)
        self.assertEqual(rules[-1]["min_bytes"], MARKER_BYTES)

    def test_the_full_policy_fits(self):
        rules, text = largest_full_policy("ring", "simple")
        self.assertGreater(rules, 800)
        self.assertLessEqual(len(encode(text)), MAX_BASE64_BYTES + len(PREFIX))
        self.assertEqual(len(tomllib.loads(text)["rule"]), rules)
        self.assertLess(max(map(len, text.splitlines())), 4096)  # the plugin's limit of a line


if __name__ == "__main__":
    unittest.main()
