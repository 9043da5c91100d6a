# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import os
import tempfile
import unittest

import tuning_lines
from oracle import Oracle, Situation
from tuning_lines import comm_channels, compare, parse

RANKS = 4
POLICY = """
schema = 1
[[rule]]
collective = "allreduce"
min_bytes = "64KiB"
max_bytes = "128KiB"
instead_of = "ring/ll"
algorithm = "ring"
protocol = "ll"
channels = 32
[[rule]]
collective = "allgather"
min_bytes = "3MiB"
max_bytes = "6MiB"
instead_of = "ring/simple"
algorithm = "ring"
protocol = "ll128"
"""
PREFIX = "box:41:77 [0] NCCL INFO "


def log(*lines):
    return "".join(PREFIX + line + "\n" for line in lines)


def line(collective, nbytes, protocol, channels, algorithm="RING"):
    return (
        f"{collective}: {nbytes} Bytes -> Algo {algorithm} proto {protocol} "
        f"channel{{Lo..Hi}}={{0..{channels - 1}}}"
    )


# Bytes of an allgather are per rank in the log: 1 MiB there is 4 MiB on four ranks.
WITHOUT = (
    line("AllReduce", 4, "LL", 1),
    line("AllReduce", 32768, "LL", 2),
    line("AllReduce", 65536, "LL", 4),
    line("AllReduce", 1 << 20, "SIMPLE", 16),
    line("AllGather", 1 << 20, "SIMPLE", 16),
    line("Broadcast", 4096, "LL", 1),
)
WITH = {
    2: line("AllReduce", 65536, "LL", 32),
    4: line("AllGather", 1 << 20, "LL128", 16),
}


def with_policy(**changes):
    """The log of a run in which every rule took; `changes` replaces lines, None removes one."""
    lines = [WITH.get(index, text) for index, text in enumerate(WITHOUT)]
    for key, text in changes.items():
        lines[int(key[1:])] = text
    return [text for text in lines if text is not None]


def deviations(without, with_lines, comm=32, nccl=(2, 28)):
    import tomllib

    oracle = Oracle(tomllib.loads(POLICY), Situation(RANKS, 1, "NVIDIA H200", nccl, {}))
    return compare(
        parse(log(*without), RANKS), parse(log(*with_lines), RANKS), oracle, comm
    ).deviations


class Parse(unittest.TestCase):
    def test_fields(self):
        (seen,) = parse(log(line("AllReduce", 8192, "LL128", 4, "COLLNET_DIRECT")), RANKS)
        self.assertEqual(
            (seen.collective, seen.total_bytes, seen.choice()),
            ("allreduce", 8192, "collnet_direct/ll128/4"),
        )

    def test_scattered_collectives_are_counted_in_total_bytes(self):
        text = log(*(line(name, 4096, "LL", 1) for name in
                     ("AllGather", "ReduceScatter", "Broadcast", "Reduce")))
        self.assertEqual([seen.total_bytes for seen in parse(text, RANKS)],
                         [16384, 16384, 4096, 4096])

    def test_time_stamp_in_front(self):
        text = "[2026-11-21 10:00:00] " + log(line("AllReduce", 8, "LL", 1))
        self.assertEqual(len(parse(text, RANKS)), 1)

    def test_channel_range_need_not_begin_at_zero(self):
        text = log("AllReduce: 8 Bytes -> Algo TREE proto LL channel{Lo..Hi}={2..5}")
        self.assertEqual(parse(text, RANKS)[0].channels, 4)

    def test_other_lines_are_passed_over(self):
        text = log(
            "AllReduce [Symmetric]: 8192 Bytes -> Kernel AllReduce_AGxLL_R nchannels 4 nthreads 9",
            "AllGather [Copy Engine]: 8192 Bytes -> cudaMemcpyBatch",
            "NCCL_ALGO set by environment to Ring",
            "AllReduce: 8192 Bytes -> Algo 1 proto 0 time 7.1",
        )
        self.assertEqual(parse(text, RANKS), [])

    def test_comm_channels(self):
        text = log("24 coll channels, 24 collnet channels, 0 nvls channels, 32 p2p channels")
        self.assertEqual(comm_channels(text), 24)
        self.assertIsNone(comm_channels("nothing"))


class Compare(unittest.TestCase):
    def test_every_rule_took_and_nothing_else_changed(self):
        self.assertEqual(deviations(WITHOUT, with_policy()), [])

    def one(self, found, *words):
        self.assertTrue(found)
        self.assertTrue(any(all(w in text for w in words) for text in found), found)

    def test_a_rule_that_did_not_take(self):
        self.one(deviations(WITHOUT, with_policy(_4=WITHOUT[4])), "allgather 4194304", "rule 2")

    def test_a_rule_that_took_where_no_rule_is(self):
        changed = line("AllReduce", 32768, "LL128", 2)
        self.one(deviations(WITHOUT, with_policy(_1=changed)), "allreduce 32768", "must stay")

    def test_channels_changed_where_no_rule_is(self):
        changed = line("AllReduce", 32768, "LL", 3)
        self.one(deviations(WITHOUT, with_policy(_1=changed)), "must stay ring/ll/2")

    def test_a_rule_that_took_although_nccl_chose_otherwise(self):
        without = list(WITHOUT)
        without[4] = line("AllGather", 1 << 20, "LL", 16)
        self.one(deviations(without, with_policy()), "allgather 4194304", "steps aside")

    def test_more_channels_than_requested(self):
        changed = line("AllReduce", 65536, "LL", 33)
        self.one(deviations(WITHOUT, with_policy(_2=changed), comm=None), "at most 32")

    def test_fewer_channels_than_predicted(self):
        changed = line("AllReduce", 65536, "LL", 16)
        self.one(deviations(WITHOUT, with_policy(_2=changed)), "32 used are predicted")
        self.assertEqual(deviations(WITHOUT, with_policy(_2=changed), comm=None), [])
        self.assertEqual(deviations(WITHOUT, with_policy(_2=changed), comm=16), [])

    def test_a_channel_rule_without_effect_is_not_shown(self):
        self.one(deviations(WITHOUT, with_policy(_2=WITHOUT[2]), comm=None), "rule 1 is not shown")

    def test_a_rule_that_no_call_reaches_is_not_shown(self):
        self.one(deviations(WITHOUT[:4], with_policy()[:4]), "rule 2 is not shown")

    def test_missing_and_extra_lines(self):
        self.one(deviations(WITHOUT, with_policy(_5=None)), "6 lines without the plugin, 5 with it")
        self.one(deviations(WITHOUT[:5], with_policy()), "5 lines without")

    def test_different_calls(self):
        changed = line("AllReduce", 32770, "LL", 2)
        self.one(deviations(WITHOUT, with_policy(_1=changed)), "different calls")

    def test_two_empty_logs_are_no_success(self):
        self.one(deviations((), ()), "no TUNING line")


class Command(unittest.TestCase):
    def run_command(self, with_lines):
        with tempfile.TemporaryDirectory() as folder:
            paths = {}
            for name, text in (
                ("policy", POLICY), ("without", log(*WITHOUT)), ("with", log(*with_lines))
            ):
                paths[name] = os.path.join(folder, name)
                with open(paths[name], "w") as file:
                    file.write(text)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                code = tuning_lines.main(
                    ["--policy", paths["policy"], "--ranks", "4", "--nodes", "1",
                     "--gpu", "NVIDIA H200", "--nccl", "2.28.9", "--comm-channels", "32",
                     "--without", paths["without"], "--with", paths["with"]]
                )
            return code, output.getvalue()

    def test_exit_code_and_table(self):
        code, text = self.run_command(with_policy())
        self.assertEqual(code, 0, text)
        self.assertIn("ring/ll/32", text)
        code, text = self.run_command(with_policy(_4=WITHOUT[4]))
        self.assertEqual(code, 1)
        self.assertIn("DEVIATION", text)


if __name__ == "__main__":
    unittest.main()
