# SPDX-License-Identifier: Apache-2.0
"""The communicator shapes that are tested, and which calls are made on each.

"tcp" fabrics are several nodes emulated on one machine: ranks with different NCCL_HOSTID take each
other for separate hosts and talk through NCCL's socket transport on loopback. Good for correctness
and for showing that tuning works; says nothing about InfiniBand.
"""

import os
import tomllib
from dataclasses import dataclass

from calls import (
    COLLECTIVES,
    KIB,
    MIB,
    TIMED_COLLECTIVES,
    Call,
    largest_call_below,
    smallest_call_above,
)
from oracle import parse_bytes

# Every policy is one that `vernier calibrate` wrote. The environment variable is for the workers of
# a run with --policies.
POLICY_DIR_VARIABLE = "VERNIER_TEST_POLICIES"
CATALOG = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "policy", "catalog"
)

# Off the powers of two, where real models are: one token of gpt-oss-120b and of DeepSeek-V3, and
# batches of 16 and 64 tokens of gpt-oss-120b.
MODEL_BYTES = (5760, 14336, 92160, 368640)


@dataclass(frozen=True)
class Fabric:
    name: str
    ranks: int
    nodes: int
    transport: str  # "nvlink", "host" (memory: no P2P) or "tcp"

    @property
    def largest_bytes(self):
        return {"nvlink": 16 * MIB, "host": 8 * MIB, "tcp": 1 * MIB}[self.transport]

    @property
    def policy_path(self):
        folder = os.environ.get(POLICY_DIR_VARIABLE, CATALOG)
        return os.path.join(folder, f"h200-{self.name}", "policy.toml")

    def policy_text(self):
        with open(self.policy_path) as file:
            return file.read()

    def policy(self):
        return tomllib.loads(self.policy_text())

    def rank_environment(self, rank):
        """What makes these ranks this fabric."""
        if self.transport == "nvlink":
            return {}
        if self.transport == "host":
            return {"NCCL_P2P_DISABLE": "1"}
        node = rank // (self.ranks // self.nodes)
        return {
            "NCCL_HOSTID": f"emulated-node{node}",
            "NCCL_SOCKET_IFNAME": "lo",
            "NCCL_NET": "Socket",
            "NCCL_MNNVL_ENABLE": "0",
        }

    def worker_environment(self, rank):
        """All NCCL variables of a worker that are not the plugin's, the same in every arm: what the
        policy was measured under, and the fabric. A policy that contradicts it is inert."""
        return {**self.policy().get("environment", {}), **self.rank_environment(rank)}


FABRICS = {
    fabric.name: fabric
    for fabric in (
        Fabric("tp2-nvlink", ranks=2, nodes=1, transport="nvlink"),
        Fabric("2x1-tcp", ranks=2, nodes=2, transport="tcp"),
        Fabric("tp4-nvlink", ranks=4, nodes=1, transport="nvlink"),
        Fabric("tp4-host", ranks=4, nodes=1, transport="host"),
        Fabric("2x2-tcp", ranks=4, nodes=2, transport="tcp"),
        Fabric("4x1-tcp", ranks=4, nodes=4, transport="tcp"),
    )
}


def powers_of_two(first, last, factor=2):
    sizes = []
    while first <= last:
        sizes.append(first)
        first *= factor
    return sizes


def representative_bytes(rule, ranks):
    """A size in the middle of a rule's range: its largest power of two, or else its end."""
    low, high = parse_bytes(rule["min_bytes"]), parse_bytes(rule["max_bytes"])
    power = 1 << (high.bit_length() - 1)
    if power >= low and largest_call_below(rule["collective"], ranks, power) == power:
        return power
    step = ranks * rule.get("alignment", 1)
    return largest_call_below(rule["collective"], ranks, high // step * step)


def between_bytes(rule):
    """The smallest and the largest of 1.25 and 1.75 times a power of two in a rule's range:
    calibrate measures powers of two and 1.5 times them, so nobody has seen these yet."""
    low, high = parse_bytes(rule["min_bytes"]), parse_bytes(rule["max_bytes"])
    # From 320 bytes on, so that each divides by 16 ranks' elements.
    sizes = [size for shift in range(6, 28) for size in (5 << shift, 7 << shift)]
    inside = [size for size in sizes if low <= size <= high]
    return sorted({inside[0], inside[-1]}) if inside else []


def boundary_bytes(rule, ranks):
    """The possible sizes just outside and just inside both ends of a rule's range; where it has an alignment,
    the first two inside, one of which has not."""
    collective = rule["collective"]
    low, high = parse_bytes(rule["min_bytes"]), parse_bytes(rule["max_bytes"])
    sizes = [
        largest_call_below(collective, ranks, low - 1),
        smallest_call_above(collective, ranks, low),
        largest_call_below(collective, ranks, high),
        smallest_call_above(collective, ranks, high + 1),
    ]
    if "alignment" in rule:
        sizes.append(smallest_call_above(collective, ranks, sizes[1] + 1))
    return [size for size in sizes if size > 0]


def survey_calls(fabric, policy):
    """Every call whose TUNING line is compared: powers of two, model sizes, and rule boundaries."""
    largest = 2 * fabric.largest_bytes
    calls = []
    for collective in COLLECTIVES:
        factor = 2 if collective in TIMED_COLLECTIVES else 8
        sizes = set(powers_of_two(64, largest, factor)) | set(MODEL_BYTES)
        for rule in policy.get("rule", []):
            if rule["collective"] == collective:
                sizes.update(boundary_bytes(rule, fabric.ranks))
                sizes.add(representative_bytes(rule, fabric.ranks))
        calls += [Call(collective, size) for size in sorted(sizes)]
    return calls


def exact_calls(fabric):
    """Sizes for exactness: powers of two, model sizes, and counts that fit no alignment."""
    odd_per_rank_bytes = [2, 6, 10, 2046, 8194, 65538]
    calls = []
    for collective in COLLECTIVES:
        sizes = powers_of_two(1 * KIB, fabric.largest_bytes, 4 if fabric.transport == "tcp" else 2)
        sizes += MODEL_BYTES
        scale = fabric.ranks if collective in ("allgather", "reducescatter") else 1
        sizes += [scale * odd for odd in odd_per_rank_bytes]
        calls += [Call(collective, size) for size in sorted(set(sizes))]
    return calls


SMALL_BYTES = 64 * KIB


@dataclass(frozen=True)
class TimingPlan:
    """How one client is timed. Calls are visited in turn, one pair each, until `pairs` rounds are
    done or `limit_s` is over; so every call has the same number of pairs."""

    calls: tuple
    pairs: int
    graph_ops: int  # collectives in one captured chain
    replays: int  # timed replays of one capture of a large message
    small_replays: int  # of one up to SMALL_BYTES: over TCP short operations scatter most
    eager_ops: int  # collectives in one timed eager block
    limit_s: float
    # In graphs: what a kernel after each collective reads and writes, as a model's do; 0: none.
    between_bytes: int = 0

    def replays_of(self, call):
        return self.small_replays if call.total_bytes <= SMALL_BYTES else self.replays


# Fresh launches by depth; (pairs, limit_s) of a launch and mode, by client and depth.
LAUNCHES = {"full": 4, "brief": 3, "quick": 3}
_EFFORT = {
    "pynccl": {"full": (8, 25), "brief": (4, 12), "quick": (3, 5)},
    "torch": {"full": (5, 8), "brief": (2, 3), "quick": (2, 3)},
}


def _timed_sizes(fabric, rules, every_size, depth):
    """Sizes of one collective, whose rules are given."""
    every_power = powers_of_two(1 * KIB, fabric.largest_bytes)
    inside = {representative_bytes(rule, fabric.ranks) for rule in rules}
    if every_size:
        between = {size for rule in rules for size in between_bytes(rule)}
        return {*every_power, *MODEL_BYTES, *between, *inside}
    if depth == "quick":
        return {*powers_of_two(1 * KIB, fabric.largest_bytes, 16), *inside}
    covered = {
        size
        for size in every_power
        for rule in rules
        if parse_bytes(rule["min_bytes"]) <= size <= parse_bytes(rule["max_bytes"])
    }
    return {*powers_of_two(1 * KIB, fabric.largest_bytes, 4), *covered, *inside}


def timing_plan(fabric, client, depth, pairs=None):
    """`depth`: full, brief or quick. `pairs` overrides the number and lifts the time limit in
    proportion."""
    usual_pairs, limit_s = _EFFORT[client][depth]
    if pairs is not None:
        limit_s *= max(1.0, pairs / usual_pairs)
    every_size = client == "pynccl" and depth != "quick"
    rules = fabric.policy().get("rule", [])
    calls = []
    for collective in TIMED_COLLECTIVES:
        own = [rule for rule in rules if rule["collective"] == collective]
        calls += [
            Call(collective, size)
            for size in sorted(_timed_sizes(fabric, own, every_size, depth))
        ]
    tcp = fabric.transport == "tcp"
    return TimingPlan(
        calls=tuple(calls),
        pairs=usual_pairs if pairs is None else pairs,
        graph_ops=20,
        replays=3,
        small_replays=5 if tcp else 3,
        eager_ops=20 if tcp else 50,
        limit_s=limit_s,
    )
