# SPDX-License-Identifier: Apache-2.0
"""The communicator shapes that are tested, and which calls are made on each.

"tcp" fabrics are several nodes emulated on one machine: ranks with different NCCL_HOSTID take each
other for separate hosts and talk through NCCL's socket transport on loopback. Good for correctness
and for showing that tuning works; says nothing about InfiniBand.
"""

import os
import tomllib
from dataclasses import dataclass

from calls import COLLECTIVES, TIMED_COLLECTIVES, Call, largest_call_below, smallest_call_above
from oracle import parse_bytes

KIB = 1024
MIB = 1024 * KIB
POLICY_DIR = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "policy", "examples"
)

# Off the powers of two, where real models are: one token of gpt-oss-120b and of DeepSeek-V3, and
# batches of 16 and 64 tokens of gpt-oss-120b.
MODEL_BYTES = (5760, 14336, 92160, 368640)


@dataclass(frozen=True)
class Fabric:
    name: str
    ranks: int
    nodes: int
    transport: str  # "nvlink" or "tcp"

    @property
    def largest_bytes(self):
        return 8 * MIB if self.transport == "nvlink" else 1 * MIB

    def policy_text(self):
        with open(os.path.join(POLICY_DIR, f"h200-{self.name}.toml")) as file:
            return file.read()

    def policy(self):
        return tomllib.loads(self.policy_text())

    def rank_environment(self, rank):
        if self.transport == "nvlink":
            return {}
        node = rank // (self.ranks // self.nodes)
        return {
            "NCCL_HOSTID": f"emulated-node{node}",
            "NCCL_SOCKET_IFNAME": "lo",
            "NCCL_NET": "Socket",
            "NCCL_MNNVL_ENABLE": "0",
        }


FABRICS = {
    fabric.name: fabric
    for fabric in (
        Fabric("tp2-nvlink", ranks=2, nodes=1, transport="nvlink"),
        Fabric("2x1-tcp", ranks=2, nodes=2, transport="tcp"),
        Fabric("tp4-nvlink", ranks=4, nodes=1, transport="nvlink"),
        Fabric("2x2-tcp", ranks=4, nodes=2, transport="tcp"),
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
    return largest_call_below(rule["collective"], ranks, high)


def boundary_bytes(rule, ranks):
    """The possible sizes just outside and just inside both ends of a rule's range."""
    collective = rule["collective"]
    low, high = parse_bytes(rule["min_bytes"]), parse_bytes(rule["max_bytes"])
    sizes = [
        largest_call_below(collective, ranks, low - 1),
        smallest_call_above(collective, ranks, low),
        largest_call_below(collective, ranks, high),
        smallest_call_above(collective, ranks, high + 1),
    ]
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


@dataclass(frozen=True)
class TimingPlan:
    """How one client is timed. Sizes are visited in turn, one pair each, until `pairs` rounds are
    done or `limit_s` is over; so every size has the same number of pairs."""

    sizes: tuple
    pairs: int
    graph_ops: int  # collectives in one captured chain
    replays: int  # timed replays of one capture
    eager_ops: int  # collectives in one timed eager block
    limit_s: float

    def calls(self):
        return [Call(name, size) for name in TIMED_COLLECTIVES for size in self.sizes]


# Fresh launches by depth; (pairs, limit_s) of a launch by transport, client and depth.
LAUNCHES = {"full": 4, "brief": 2, "quick": 2}
_EFFORT = {
    ("nvlink", "pynccl"): {"full": (10, 20), "brief": (6, 8), "quick": (4, 5)},
    ("nvlink", "torch"): {"full": (6, 8), "brief": (4, 5), "quick": (3, 4)},
    ("tcp", "pynccl"): {"full": (8, 20), "brief": (6, 8), "quick": (4, 5)},
    ("tcp", "torch"): {"full": (5, 8), "brief": (4, 5), "quick": (3, 4)},
}


def timing_plan(fabric, client, depth, pairs=None):
    """`depth`: full, brief or quick. `pairs` overrides the number and lifts the time limit in
    proportion."""
    usual_pairs, limit_s = _EFFORT[fabric.transport, client][depth]
    if pairs is not None:
        limit_s *= max(1.0, pairs / usual_pairs)
    every_power = powers_of_two(1 * KIB, fabric.largest_bytes)
    if depth == "full" and client == "pynccl":
        sizes = every_power + list(MODEL_BYTES)
    else:
        rules = fabric.policy().get("rule", [])
        covered = [
            size
            for size in every_power
            for rule in rules
            if parse_bytes(rule["min_bytes"]) <= size <= parse_bytes(rule["max_bytes"])
        ]
        sizes = powers_of_two(1 * KIB, fabric.largest_bytes, 4) + covered
        if depth == "quick":
            sizes = sizes[::2] + [representative_bytes(rule, fabric.ranks) for rule in rules]
    nvlink = fabric.transport == "nvlink"
    return TimingPlan(
        sizes=tuple(sorted(set(sizes))),
        pairs=usual_pairs if pairs is None else pairs,
        graph_ops=20 if nvlink else 10,
        replays=3,
        eager_ops=50 if nvlink else 20,
        limit_s=limit_s,
    )
