#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares NCCL's TUNING lines of two runs of the same calls: without a plugin and with a policy.

Every rule must have taken at every size it covers, and every other line must be untouched, channels
included. Understands NCCL 2.24 to 2.30, where rank 0 prints one line per collective:

    AllReduce: 8192 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..3}

Lines of symmetric and copy-engine kernels, which no tuner decides, are not of this form and are
passed over.

As a command: tuning_lines.py --policy P.toml --ranks N --nodes M --gpu NAME --nccl 2.28
                              --without LOG --with LOG [--comm-channels N]
"""

import argparse
import os
import re
import sys
import tomllib
from dataclasses import dataclass, field

from calls import SCATTERED
from channels import used_channels
from oracle import Oracle, Situation

_LINE = re.compile(
    r"\b(AllReduce|AllGather|ReduceScatter|Broadcast|Reduce): (\d+) Bytes -> "
    r"Algo ([A-Z_]+) proto ([A-Z0-9]+) channel\{Lo\.\.Hi\}=\{(\d+)\.\.(\d+)\}"
)
_COMM_CHANNELS = re.compile(r"\b(\d+) coll channels\b")


@dataclass(frozen=True)
class Line:
    """One decision as NCCL logged it, in the policy's words and in the tuner's total bytes."""

    collective: str
    total_bytes: int
    algorithm: str
    protocol: str
    channel_low: int
    channel_high: int

    @property
    def channels(self):
        return self.channel_high - self.channel_low + 1

    def choice(self):
        return f"{self.algorithm}/{self.protocol}/{self.channels}"


def parse(text, ranks):
    """The decisions in a log, in order."""
    lines = []
    for match in _LINE.finditer(text):
        collective = match[1].lower()
        per_rank_bytes = int(match[2])
        lines.append(
            Line(
                collective=collective,
                total_bytes=per_rank_bytes * (ranks if collective in SCATTERED else 1),
                algorithm=match[3].lower(),
                protocol=match[4].lower(),
                channel_low=int(match[5]),
                channel_high=int(match[6]),
            )
        )
    return lines


def comm_channels(text):
    """The communicator's channel count from its INIT line, or None."""
    match = _COMM_CHANNELS.search(text)
    return int(match[1]) if match else None


@dataclass
class Comparison:
    rows: list = field(default_factory=list)  # text, one per call
    deviations: list = field(default_factory=list)
    shown_rules: set = field(default_factory=set)  # rules whose effect a line shows
    aside: int = 0  # calls in a rule's range where the rule steps aside

    @property
    def ok(self):
        return not self.deviations


def judge_call(default, seen, expected, predicted_channels):
    """What is wrong with a line, or None."""
    if expected.rule is None:
        return None if seen == default else f"must stay {default.choice()} ({expected.reason})"
    if (seen.algorithm, seen.protocol) != (expected.algorithm, expected.protocol):
        return f"rule {expected.rule + 1} wants {expected.algorithm}/{expected.protocol}"
    if expected.channels is not None and seen.channels > expected.channels:
        return f"rule {expected.rule + 1} allows at most {expected.channels} channels"
    if predicted_channels is not None and seen.channels != predicted_channels:
        return f"{expected.channels} channels requested, {predicted_channels} used are predicted"
    return None


def compare(default_lines, policy_lines, oracle, channels_of_comm=None):
    """Compares call by call.

    `channels_of_comm`: the communicator's channel count, where used channels can be predicted from
    it; None where they cannot (buffers that NCCL registers, as in a graph capture).
    """
    result = Comparison()
    situation = oracle.situation
    if not default_lines:
        result.deviations.append("the run without the plugin shows no TUNING line")
    if len(default_lines) != len(policy_lines):
        result.deviations.append(
            f"{len(default_lines)} lines without the plugin, {len(policy_lines)} with it"
        )
    for default, seen in zip(default_lines, policy_lines):
        if (default.collective, default.total_bytes) != (seen.collective, seen.total_bytes):
            result.deviations.append(
                f"different calls: {default.collective} {default.total_bytes} without, "
                f"{seen.collective} {seen.total_bytes} with"
            )
            break
        expected = oracle.expect(
            default.collective, default.total_bytes, default.algorithm, default.protocol
        )
        predicted = None
        if expected.channels is not None and channels_of_comm is not None:
            predicted = used_channels(
                situation.nccl, seen.collective, expected.protocol, seen.total_bytes,
                situation.ranks, expected.channels, channels_of_comm,
            )
        problem = judge_call(default, seen, expected, predicted)
        took = expected.rule is not None and problem is None
        if took and seen != default:
            result.shown_rules.add(expected.rule)
        if expected.reason == "steps aside":
            result.aside += 1
        wanted = f"rule {expected.rule + 1}" if expected.rule is not None else expected.reason
        result.rows.append(
            f"{seen.collective:<14}{seen.total_bytes:>10}  {default.choice():<18}"
            f"{seen.choice():<18}{wanted:<12}{'DEVIATES' if problem else 'ok'}"
        )
        if problem:
            result.deviations.append(
                f"{seen.collective} {seen.total_bytes}: {seen.choice()}, {problem}"
            )
    for index in range(len(oracle.rules)):
        if index not in result.shown_rules:
            result.deviations.append(f"rule {index + 1} is not shown by any call")
    return result


def table(comparison):
    header = f"{'collective':<14}{'bytes':>10}  {'without':<18}{'with':<18}{'expected':<12}"
    lines = [header, *comparison.rows]
    lines += [f"DEVIATION: {text}" for text in comparison.deviations]
    if comparison.aside:
        lines.append(f"{comparison.aside} calls in a rule's range where the rule steps aside")
    return "\n".join(lines) + "\n"


def main(arguments):
    parser = argparse.ArgumentParser(description="compare NCCL's TUNING lines with a policy")
    parser.add_argument("--policy", required=True)
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--gpu", required=True, help="the driver's name of the GPU")
    parser.add_argument("--nccl", required=True, help="version that ran, such as 2.28")
    parser.add_argument("--without", required=True, help="log of the run without the plugin")
    parser.add_argument("--with", required=True, dest="with_policy", help="log with the policy")
    parser.add_argument("--comm-channels", type=int, help="predict used channels from this number")
    options = parser.parse_args(arguments)
    with open(options.policy, "rb") as file:
        policy = tomllib.load(file)
    major, minor = options.nccl.split(".")[:2]
    situation = Situation(
        options.ranks, options.nodes, options.gpu, (int(major), int(minor)), dict(os.environ)
    )
    logs = []
    for path in (options.without, options.with_policy):
        with open(path, errors="replace") as file:
            logs.append(parse(file.read(), options.ranks))
    comparison = compare(*logs, Oracle(policy, situation), options.comm_channels)
    sys.stdout.write(table(comparison))
    return 0 if comparison.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
