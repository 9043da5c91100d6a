#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: what the plugin costs by being there, changing nothing.

Arms: none-1 (no plugin; the reference), none-2 (the same again: the noise floor), empty (plugin
with a policy without rules), full (plugin with a full policy whose rules name NCCL's own choice).
Each arm is a communicator of its own copy of libnccl: NCCL loads a tuner once per image, so arms
with and without a plugin can alternate inside one process.

--check makes each arm's calls once with NCCL's log on and reports what the logs show; without it
the arms are timed, with the log off.
"""

import argparse
import os

import torch

from buffers import Buffers, make_call
from calls import Call
from fabrics import TimingPlan, powers_of_two
from inline_policy import encode
from nccl_ctypes import NcclLibrary, PyncclClient
from presence_policy import (
    ARMS,
    EMPTY_POLICY,
    LARGEST_TIMED_BYTES,
    MARKER_BYTES,
    SMALLEST_TIMED_BYTES,
    largest_full_policy,
)
from session import Session, environment
from timing import MODES, paired_times
from tuning_lines import parse

PLUGIN_FILE = "libnccl-tuner-vernier.so"


def plugin_is_mapped():
    with open("/proc/self/maps") as maps:
        return any(PLUGIN_FILE in line for line in maps)


def make_client(arm, policy, images, session, log_path=None):
    """A communicator of the arm's own NCCL image, which loads its tuner (or none) now."""
    with_plugin = not arm.startswith("none")
    variables = {
        "NCCL_TUNER_PLUGIN": "vernier" if with_plugin else "none",
        "NCCL_VERNIER_POLICY": encode(policy) if with_plugin else None,
        "NCCL_VERNIER_MODE": "apply" if with_plugin else None,
    }
    if log_path is not None:
        variables.update(
            NCCL_DEBUG="INFO", NCCL_DEBUG_SUBSYS="INIT,TUNING", NCCL_DEBUG_FILE=log_path
        )
    with environment(**variables):
        library = NcclLibrary(os.path.join(images, arm, "libnccl.so.2"))
        client = PyncclClient(library, session)
    # The arms without a plugin are made first: until then no image may have brought it in.
    if plugin_is_mapped() != with_plugin:
        raise RuntimeError(f"arm {arm}: plugin in this process: {plugin_is_mapped()}")
    return client


def other_choice(line):
    """A choice that is usable everywhere and is not the line's."""
    return ("ring", "ll" if (line.algorithm, line.protocol) != ("ring", "ll") else "simple")


def check_arms(session, buffers, images, log_dir):
    """Each arm's log: whether the plugin speaks in it, and the TUNING lines."""
    calls = [Call("allreduce", size) for size in (*timed_sizes(), MARKER_BYTES)]
    found, marker, rules, full = {}, None, 0, None
    for arm in ARMS:
        log_path = os.path.join(log_dir, f"presence-{arm}.rank{session.rank}.nccl")
        if arm == "full":
            rules, full = largest_full_policy(*marker)
        policy = full if arm == "full" else EMPTY_POLICY
        client = make_client(arm, policy, images, session, log_path)
        for call in calls:
            make_call(client, call, *buffers.timed_operands(client, call))
        torch.cuda.synchronize()
        with open(log_path, errors="replace") as log:
            text = log.read()
        # Only rank 0's log has TUNING lines; the first is the warm-up.
        lines = parse(text, session.ranks)[1:]
        found[arm] = {
            "names_plugin": "vernier" in text.lower(),
            "lines": [[line.total_bytes, line.choice()] for line in lines],
        }
        if marker is None:
            marker = session.from_rank0(other_choice(lines[-1]) if session.rank == 0 else None)
        client.destroy()
    return {"arms": found, "marker": marker, "rules": rules}


def timed_sizes():
    return tuple(powers_of_two(SMALLEST_TIMED_BYTES, LARGEST_TIMED_BYTES))


def time_arms(session, buffers, images, arms, marker, plan):
    rules, full = largest_full_policy(*marker)
    clients = {}
    for arm in arms:
        policy = full if arm == "full" else EMPTY_POLICY
        clients[arm] = make_client(arm, policy, images, session)
    cells = []
    for mode in MODES:
        cells += paired_times(session, clients, buffers, mode, plan)
    for client in clients.values():
        client.destroy()
    return {"timing": cells, "rules": rules}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True, help="folder with ARM/libnccl.so.2")
    parser.add_argument("--check", metavar="LOG_DIR")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--marker", help="algorithm/protocol, as the check found it")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--result", required=True)
    options = parser.parse_args()

    session = Session()
    buffers = Buffers(session, MARKER_BYTES)
    if options.check:
        result = check_arms(session, buffers, options.images, options.check)
    else:
        plan = TimingPlan(
            calls=tuple(Call("allreduce", size) for size in timed_sizes()), pairs=options.pairs,
            graph_ops=20, replays=3, small_replays=3, eager_ops=100, limit_s=40,
        )
        arms = options.arms.split(",")
        marker = options.marker.split("/")
        result = time_arms(session, buffers, options.images, arms, marker, plan)
    session.save(options.result, result)
    session.close()


if __name__ == "__main__":
    main()
