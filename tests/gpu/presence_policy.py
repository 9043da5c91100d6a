# SPDX-License-Identifier: Apache-2.0
"""The arms of the presence tax and their policies, which change nothing at the sizes being timed:
one without rules, and one full of them."""

from inline_policy import MAX_BASE64_BYTES

KIB = 1024
ARMS = ("none-1", "none-2", "empty", "full")
SMALLEST_TIMED_BYTES = 8
LARGEST_TIMED_BYTES = 256 * KIB
MARKER_BYTES = 512 * KIB  # outside the timed sizes: here the full policy shows that it is active
WANTED_RULES = 1000

EMPTY_POLICY = 'schema = 1\nname = "empty"\n'


def _rule(low, high, algorithm, protocol):
    return (
        f'{{collective="allreduce",min_bytes={low},max_bytes={high},'
        f'algorithm="{algorithm}",protocol="{protocol}"}}'
    )


def full_policy(rules, marker_algorithm, marker_protocol):
    """`rules` - 1 bands over 1 byte .. 256 KiB that all name ring/ll, and the marker rule.

    Written as one array of inline tables, one a line, and without ranks and nodes, because an
    inline policy has little room.
    """
    bands = rules - 1
    edges = [LARGEST_TIMED_BYTES * band // bands for band in range(bands + 1)]
    texts = [_rule(low + 1, high, "ring", "ll") for low, high in zip(edges, edges[1:])]
    texts.append(_rule(MARKER_BYTES, MARKER_BYTES, marker_algorithm, marker_protocol))
    return 'schema=1\nname="full"\nrule=[\n' + ",\n".join(texts) + "]\n"


def largest_full_policy(marker_algorithm, marker_protocol):
    """(rules, text): WANTED_RULES rules, or as many as an inline policy holds."""
    room_bytes = MAX_BASE64_BYTES // 4 * 3
    rules = WANTED_RULES
    while len(text := full_policy(rules, marker_algorithm, marker_protocol)) > room_bytes:
        rules -= 1
    return rules, text
