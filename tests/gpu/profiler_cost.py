#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: what profiling costs. Each arm is a communicator of its own copy of libnccl with its own
copy of a profiler, because both keep state once per image; so arms alternate inside one process."""

import argparse
import os

from buffers import Buffers
from calls import KIB, Call
from fabrics import TimingPlan
from nccl_ctypes import NcclLibrary, PyncclClient
from session import Session, environment
from timing import paired_times

# Arm: (mode of our profiler, or None). "events" is a profiler that does nothing, for KernelCh.
ARMS = {
    "none": None,
    "none-2": None,
    "counts": "counts",
    "sampled:64": "sampled:64",
    "full": "full",
    "events": None,
}
PROFILER_FILE = "libnccl-profiler-vernier.so"
DECODE_CALLS = 161  # of a graph: a decode step of a model with 80 layers
DECODE_SIZES = (16 * KIB, 32 * KIB, 64 * KIB)
EAGER_SIZE = 8 * KIB


def make_client(arm, images, session):
    folder = os.path.join(images, arm)
    profiler = os.path.join(folder, PROFILER_FILE)
    with environment(
        NCCL_PROFILER_PLUGIN=profiler if os.path.exists(profiler) else "none",
        NCCL_VERNIER_PROFILE=ARMS[arm],
    ):
        return PyncclClient(NcclLibrary(os.path.join(folder, "libnccl.so.2")), session)


def plan_of(sizes, pairs, limit_s):
    return TimingPlan(
        calls=tuple(Call("allreduce", size) for size in sizes), pairs=pairs, graph_ops=DECODE_CALLS,
        replays=5, small_replays=5, eager_ops=200, limit_s=limit_s,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True, help="folder with ARM/libnccl.so.2")
    parser.add_argument("--first", type=int, default=0, help="the arm that is born first")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    session = Session()
    names = list(ARMS)
    order = names[options.first % len(names) :] + names[: options.first % len(names)]
    arms = {arm: make_client(arm, options.images, session) for arm in order}
    buffers = Buffers(session, 1024 * KIB)
    cells = paired_times(session, arms, buffers, "graph", plan_of(DECODE_SIZES, options.pairs, 30))
    # An eager block is short: more of them.
    eager = plan_of((EAGER_SIZE,), 4 * options.pairs, 15)
    cells += paired_times(session, arms, buffers, "eager", eager)
    session.save(options.result, cells)
    session.close()


if __name__ == "__main__":
    main()
