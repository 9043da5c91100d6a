# SPDX-License-Identifier: Apache-2.0
"""One collective call: its name and its size, as NCCL's tuner counts bytes.

The tuner sees the total of allgather and reducescatter (ranks x per-rank bytes); NCCL's TUNING
lines and its API count per rank. All data here is bf16.
"""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
ELEMENT_BYTES = 2  # bf16
COLLECTIVES = ("allreduce", "allgather", "reducescatter", "broadcast", "reduce")
TIMED_COLLECTIVES = ("allreduce", "allgather", "reducescatter")
SCATTERED = ("allgather", "reducescatter")
ROOT = 0  # of every broadcast and reduce


@dataclass(frozen=True)
class Call:
    collective: str
    total_bytes: int

    def send_count(self, ranks):
        total = self.total_bytes // ELEMENT_BYTES
        return total // ranks if self.collective == "allgather" else total

    def recv_count(self, ranks):
        total = self.total_bytes // ELEMENT_BYTES
        return total // ranks if self.collective == "reducescatter" else total


def format_bytes(nbytes):
    for unit, size in (("MiB", MIB), ("KiB", KIB)):
        if nbytes % size == 0 and nbytes >= size:
            return f"{nbytes // size} {unit}"
    return f"{nbytes} B"


def granule_bytes(collective, ranks):
    """Possible total sizes are the multiples of this."""
    return ELEMENT_BYTES * (ranks if collective in SCATTERED else 1)


def largest_call_below(collective, ranks, limit_bytes):
    """The largest possible total of at most `limit_bytes`."""
    granule = granule_bytes(collective, ranks)
    return limit_bytes // granule * granule


def smallest_call_above(collective, ranks, limit_bytes):
    """The smallest possible total of at least `limit_bytes`."""
    granule = granule_bytes(collective, ranks)
    return -(-limit_bytes // granule) * granule
