# SPDX-License-Identifier: Apache-2.0
import os
import tempfile
import tomllib
import unittest
from unittest import mock

from fabrics import (
    FABRICS,
    MODEL_BYTES,
    POLICY_DIR_VARIABLE,
    between_bytes,
    boundary_bytes,
    representative_bytes,
    survey_calls,
    timing_plan,
)
from inline_policy import (
    MAX_BASE64_BYTES,
    PREFIX,
    decode,
    digest_problems,
    encode,
    logged_digests,
    strip_evidence,
)
from oracle import Oracle, Situation, parse_bytes
from presence_policy import LARGEST_TIMED_BYTES, MARKER_BYTES, full_policy, largest_full_policy
from targets import TARGETS

DIGEST = "sha256:" + 64 * "a"
OTHER = "sha256:" + 64 * "b"


def oracle_of(fabric):
    environ = fabric.worker_environment(0)
    situation = Situation(fabric.ranks, fabric.nodes, "NVIDIA H200", (2, 28), environ)
    return Oracle(fabric.policy(), situation)


class CatalogTest(unittest.TestCase):
    def each_fabric(self):
        """A fabric and its rules, in turn; one without a policy is skipped, with the reason."""
        for fabric in FABRICS.values():
            if os.path.exists(fabric.policy_path):
                yield fabric, fabric.policy().get("rule", [])
                continue
            with self.subTest(fabric.name):
                self.skipTest(f"no calibrated policy: {fabric.policy_path} is not there")


class Inline(CatalogTest):
    def test_round_trip_without_evidence(self):
        for fabric, _ in self.each_fabric():
            wanted = fabric.policy()
            for rule in wanted.get("rule", []):
                rule.pop("evidence", None)
            text = encode(fabric.policy_text())
            self.assertTrue(text.startswith(PREFIX))
            self.assertEqual(tomllib.loads(decode(text)), wanted)

    def test_evidence_is_gone(self):
        text = 'schema = 1\n[[rule]]\nranks = 4\nevidence   = { samples = 3 }\n'
        self.assertEqual(strip_evidence(text), "schema = 1\n[[rule]]\nranks = 4\n")

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


class Digests(unittest.TestCase):
    def test_the_plugins_line(self):
        line = f'NCCL INFO VERNIER/Tuner: vernier 0.1.0: policy "p" {DIGEST}, rules active 1 of 1\n'
        self.assertEqual(logged_digests(line + line), [DIGEST])
        self.assertEqual(logged_digests("vernier 0.1.0: ranks 4, no policy, mode off\n"), [])

    def test_all_must_be_the_calibrated_one(self):
        self.assertEqual(digest_problems(DIGEST, {"a": [DIGEST], "b": [DIGEST]}), [])
        for wrong in ([], [OTHER], [DIGEST, OTHER]):
            (problem,) = digest_problems(DIGEST, {"a": [DIGEST], "in the log": wrong})
            self.assertIn("in the log", problem)


class Environment(unittest.TestCase):
    def fabric_with(self, name, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.makedirs(os.path.join(folder.name, f"h200-{name}"))
        with open(os.path.join(folder.name, f"h200-{name}", "policy.toml"), "w") as file:
            file.write(text)
        patch = mock.patch.dict(os.environ, {POLICY_DIR_VARIABLE: folder.name})
        patch.start()
        self.addCleanup(patch.stop)
        return FABRICS[name]

    def test_policy_and_fabric_make_it(self):
        fabric = self.fabric_with("2x1-tcp", 'schema = 1\n[environment]\nNCCL_NVLS_ENABLE = "0"\n')
        environ = fabric.worker_environment(1)
        self.assertEqual(environ["NCCL_NVLS_ENABLE"], "0")
        self.assertEqual(environ["NCCL_HOSTID"], "emulated-node1")

    def test_host_memory_is_no_nvlink_whatever_the_policy_says(self):
        fabric = self.fabric_with("tp4-host", "schema = 1\n")
        self.assertEqual(fabric.worker_environment(0), {"NCCL_P2P_DISABLE": "1"})
        contrary = 'schema = 1\n[environment]\nNCCL_P2P_DISABLE = "0"\n'
        fabric = self.fabric_with("tp4-host", contrary)
        self.assertIn("NCCL_P2P_DISABLE", oracle_of(fabric).inert_because)

    def test_a_policy_without_rules_is_surveyed_and_timed(self):
        fabric = self.fabric_with("4x1-tcp", "schema = 1\n")
        self.assertTrue(survey_calls(fabric, fabric.policy()))
        for depth in ("full", "brief", "quick"):
            self.assertTrue(timing_plan(fabric, "pynccl", depth).calls)
        self.assertEqual(oracle_of(fabric).rules, [])


class Shipped(CatalogTest):
    def test_every_rule_names_its_shape_and_is_exercised_by_the_survey(self):
        for fabric, _ in self.each_fabric():
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
        for fabric, rules in self.each_fabric():
            calls = {(c.collective, c.total_bytes) for c in survey_calls(fabric, fabric.policy())}
            for rule in rules:
                nbytes = representative_bytes(rule, fabric.ranks)
                self.assertIn((rule["collective"], nbytes), calls)
                self.assertLessEqual(parse_bytes(rule["min_bytes"]), nbytes)
                self.assertLessEqual(nbytes, parse_bytes(rule["max_bytes"]))
            self.assertIn(("allreduce", 16384), calls)

    def test_boundaries_lie_on_both_sides(self):
        rule = {"collective": "allgather", "min_bytes": 104, "max_bytes": 200}
        self.assertEqual(boundary_bytes(rule, 4), [96, 104, 200, 208])
        self.assertEqual(boundary_bytes({**rule, "alignment": 16}, 4), [96, 104, 200, 208, 112])

    def test_boundaries_are_surveyed(self):
        for fabric, rules in self.each_fabric():
            calls = {(c.collective, c.total_bytes) for c in survey_calls(fabric, fabric.policy())}
            for rule in rules:
                for nbytes in boundary_bytes(rule, fabric.ranks):
                    self.assertIn((rule["collective"], nbytes), calls)

    def test_representative_is_a_power_of_two_where_there_is_one(self):
        rule = {"collective": "allgather", "min_bytes": 3000, "max_bytes": 5000}
        self.assertEqual(representative_bytes(rule, 4), 4096)
        self.assertEqual(representative_bytes({**rule, "max_bytes": 4001}, 4), 4000)
        self.assertEqual(representative_bytes({**rule, "max_bytes": 4001, "alignment": 16}, 4), 3968)

    def test_between_is_what_calibrate_did_not_measure(self):
        wide = {"min_bytes": "16KiB", "max_bytes": "64KiB"}
        self.assertEqual(between_bytes(wide), [20480, 57344])
        self.assertEqual(between_bytes({"min_bytes": "32KiB", "max_bytes": "48KiB"}), [40960])
        self.assertEqual(between_bytes({"min_bytes": "6KiB", "max_bytes": "6KiB"}), [])

    def test_pynccl_times_between_calibrated_sizes_and_all_sizes_of_the_targets(self):
        for fabric, rules in self.each_fabric():
            for depth in ("full", "brief"):
                plan = timing_plan(fabric, "pynccl", depth)
                timed = {(call.collective, call.total_bytes) for call in plan.calls}
                self.assertEqual(len(timed), len(plan.calls))
                wanted = {(rule["collective"], s) for rule in rules for s in between_bytes(rule)}
                wanted |= {("allreduce", size) for size in MODEL_BYTES}
                wanted |= {
                    (target.collective, size)
                    for target in TARGETS
                    for size in target.sizes
                    if target.fabric == fabric.name
                }
                self.assertFalse(wanted - timed)

    def test_every_depth_times_every_rule(self):
        for fabric, _ in self.each_fabric():
            oracle = oracle_of(fabric)
            for client in ("pynccl", "torch"):
                for depth in ("full", "brief", "quick"):
                    timed = {
                        oracle.covering_rule(call.collective, call.total_bytes)
                        for call in timing_plan(fabric, client, depth).calls
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
