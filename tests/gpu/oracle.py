# SPDX-License-Identifier: Apache-2.0
"""What a policy must make NCCL do, written from design.md and independent of the plugin's code.

Input: the policy as tomllib reads it, and NCCL's own choice for a call. Output: the choice to
expect.
"""

import re
from dataclasses import dataclass

_UNIT_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_bytes(value):
    """An integer, or text such as '64KiB'."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"(\d+)\s*(|B|KiB|MiB|GiB)", value)
    if match is None:
        raise ValueError(f"not a size: {value!r}")
    return int(match[1]) * _UNIT_BYTES[match[2]]


def gpu_matches(pattern, name):
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def nccl_matches(constraint, version):
    """`constraint` is like '>=2.28,<2.29'; `version` is (major, minor)."""
    tests = {
        ">=": version.__ge__,
        "<=": version.__le__,
        "==": version.__eq__,
        ">": version.__gt__,
        "<": version.__lt__,
    }
    for part in constraint.split(","):
        match = re.fullmatch(r"\s*(>=|<=|==|>|<)\s*(\d+)\.(\d+)\s*", part)
        if match is None:
            raise ValueError(f"not a version constraint: {part!r}")
        if not tests[match[1]]((int(match[2]), int(match[3]))):
            return False
    return True


@dataclass(frozen=True)
class Expectation:
    """`rule` is the index of the rule that applies, or None: then NCCL's own line must stay."""

    rule: int | None
    algorithm: str
    protocol: str
    channels: int | None  # requested by the rule
    reason: str


@dataclass(frozen=True)
class Situation:
    """What a policy is matched against."""

    ranks: int
    nodes: int
    gpu: str
    nccl: tuple  # (major, minor)
    environment: dict


class Oracle:
    def __init__(self, policy, situation):
        if policy.get("schema") != 1:
            raise ValueError(f"schema {policy.get('schema')!r}, only 1 is known")
        self.rules = policy.get("rule", [])
        self.situation = situation
        self.inert_because = self._why_inert(policy)

    def _why_inert(self, policy):
        match = policy.get("match", {})
        # With several nodes the GPU of every node is not known, so the guard only warns there.
        if self.situation.nodes == 1 and "gpu" in match:
            if not gpu_matches(match["gpu"], self.situation.gpu):
                return f"inert: made for {match['gpu']}, here is {self.situation.gpu}"
        if "nccl" in match and not nccl_matches(match["nccl"], self.situation.nccl):
            return f"inert: made for NCCL {match['nccl']}"
        for name, wanted in policy.get("environment", {}).items():
            if self.situation.environment.get(name) != wanted:
                return f"inert: {name} is not {wanted}"
        return None

    def _covers(self, rule, collective, total_bytes):
        return (
            rule["collective"] == collective
            and parse_bytes(rule["min_bytes"]) <= total_bytes <= parse_bytes(rule["max_bytes"])
            and rule.get("ranks", self.situation.ranks) == self.situation.ranks
            and rule.get("nodes", self.situation.nodes) == self.situation.nodes
            and ("alignment" not in rule or total_bytes % (rule["alignment"] * self.situation.ranks) == 0)
        )

    def covering_rule(self, collective, total_bytes):
        """Index of the rule whose range and alignment hold this call, whatever NCCL's own choice is, or None."""
        found = [i for i, r in enumerate(self.rules) if self._covers(r, collective, total_bytes)]
        if len(found) > 1:
            raise ValueError(f"rules {found} overlap at {collective} {total_bytes}")
        return found[0] if found else None

    def expect(self, collective, total_bytes, default_algorithm, default_protocol):
        """What to expect where NCCL's own choice is the given one (lower-case policy names)."""

        def untouched(reason):
            return Expectation(None, default_algorithm, default_protocol, None, reason)

        if self.inert_because is not None:
            return untouched(self.inert_because)
        index = self.covering_rule(collective, total_bytes)
        if index is None:
            return untouched("no rule")
        rule = self.rules[index]
        default = f"{default_algorithm}/{default_protocol}"
        if rule.get("instead_of", default) != default:
            return untouched("steps aside")
        channels = rule.get("channels")
        if collective == "allgather" and self.situation.nccl in ((2, 29), (2, 30)):
            channels = None  # AllGatherV asks as allgather and does not clamp: ignored there
        return Expectation(index, rule["algorithm"], rule["protocol"], channels, "rule")
