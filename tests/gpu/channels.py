# SPDX-License-Identifier: Apache-2.0
"""How many channels a Ring or Tree collective uses when a tuner asks for `requested`.

NCCL spreads a message in cells of a minimum traffic over at most the requested channels, so the
used number is often smaller (facts file, appendix A). Holds for NCCL 2.23 to 2.30, one collective
per group, buffers that are not registered.
"""

KIB = 1024
FIRST_VERSION = (2, 23)
LAST_VERSION = (2, 30)


def _divide_up(dividend, divisor):
    return -(-dividend // divisor)


def used_channels(version, collective, protocol, total_bytes, ranks, requested, comm_channels):
    """The number of channels NCCL will use, or None where the rule is not known to hold.

    `version` is (major, minor); `total_bytes` is what the tuner sees.
    """
    if not FIRST_VERSION <= version <= LAST_VERSION:
        return None
    if collective == "allreduce":
        traffic_per_byte = 2
    elif collective in ("allgather", "reducescatter"):
        traffic_per_byte = ranks
    else:
        traffic_per_byte = 1
    per_rank_bytes = total_bytes
    if collective in ("allgather", "reducescatter"):
        per_rank_bytes = total_bytes // ranks
    if protocol == "ll" and version >= (2, 26):
        traffic_per_byte *= 4
    minimum_traffic = 16 * KIB if version < (2, 29) else 32 * KIB

    cell_bytes = _divide_up(_divide_up(minimum_traffic, traffic_per_byte), 16) * 16
    cells = max(1, _divide_up(per_rank_bytes, cell_bytes))
    cell_traffic = cell_bytes * traffic_per_byte
    traffic = max(minimum_traffic, per_rank_bytes * traffic_per_byte)
    cap = min(requested, comm_channels)
    if version < (2, 29):
        share = max(minimum_traffic, traffic // cap)
    else:
        share = _divide_up(_divide_up(traffic, cap), 16) * 16
    cells_per_channel = min(cells, _divide_up(share, cell_traffic))
    return min(_divide_up(cells, cells_per_channel), cells, cap)
