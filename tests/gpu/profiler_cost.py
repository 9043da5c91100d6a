#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: what profiling costs. Each arm is a communicator of its own copy of libnccl with its own
copy of a profiler, because both keep state once per image; so arms alternate inside one process."""

import argparse
import glob
import os
import time

from buffers import Buffers
from calls import KIB, Call
from fabrics import TimingPlan
from nccl_ctypes import NcclLibrary, PyncclClient
from session import Session, environment
from timing import paired_times

COUNTS_EVENTS = 0x706  # Coll, P2p, GroupApi, CollApi, P2pApi: what mode counts asks for
# Arm: (plugin, its settings). event_probe does nothing, with the events it asks for.
ARMS = {
    "none": (None, {}),
    "none-2": (None, {}),
    "counts": ("vernier", {"NCCL_VERNIER_PROFILE": "counts"}),
    "events of counts": ("event_probe", {"PROBE_EVENT_MASK": str(COUNTS_EVENTS)}),
    "sampled:64": ("vernier", {"NCCL_VERNIER_PROFILE": "sampled:64"}),
    "full": ("vernier", {"NCCL_VERNIER_PROFILE": "full"}),
    "KernelCh": ("event_probe", {}),
}
PROFILER_FILE = "libnccl-profiler-vernier.so"
DECODE_CALLS = 161  # of a graph: a decode step of a model with 80 layers
DECODE_SIZES = (16 * KIB, 32 * KIB, 64 * KIB)
# What lies between two of them: what a layer of a 70B model on 4 GPUs takes, next to nothing, and
# nothing.
GRAPHS = {"decode step": 80 << 20, "with small kernels": 8 * KIB, "of nothing else": 0}
EAGER_SIZE = 8 * KIB


def make_client(arm, images, session):
    folder = os.path.join(images, arm)
    profiler = os.path.join(folder, PROFILER_FILE)
    plugin, settings = ARMS[arm]
    with environment(NCCL_PROFILER_PLUGIN=profiler if plugin else "none", **settings):
        return PyncclClient(NcclLibrary(os.path.join(folder, "libnccl.so.2")), session)


def plan_of(sizes, pairs, limit_s, between_bytes=0):
    return TimingPlan(
        calls=tuple(Call("allreduce", size) for size in sizes), pairs=pairs, graph_ops=DECODE_CALLS,
        replays=5, small_replays=5, eager_ops=400, limit_s=limit_s, between_bytes=between_bytes,
    )


def reader_cpu_s():
    """CPU seconds so far of the profilers' own threads."""
    total_s = 0.0
    for task in glob.glob("/proc/self/task/*"):
        with open(f"{task}/comm") as comm, open(f"{task}/stat") as stat:
            if comm.read().strip() == "vernier-profile":
                fields = stat.read().rsplit(")", 1)[1].split()
                total_s += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total_s


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True, help="folder with ARM/libnccl.so.2")
    parser.add_argument("--first", type=int, default=0, help="the arm that is born first")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--graphs", default=",".join(GRAPHS))
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    session = Session()
    names = list(ARMS)
    order = names[options.first % len(names) :] + names[: options.first % len(names)]
    arms = {arm: make_client(arm, options.images, session) for arm in order}
    buffers = Buffers(session, 1024 * KIB)
    started_s = time.monotonic()
    cells = []
    for name in filter(None, options.graphs.split(",")):
        between_bytes = GRAPHS[name]
        plan = plan_of(DECODE_SIZES, options.pairs, 25, between_bytes)
        for cell in paired_times(session, arms, buffers, "graph", plan):
            cells.append({**cell, "mode": name})
    # An eager block is short: more of them.
    eager = plan_of((EAGER_SIZE,), 16 * options.pairs, 25)
    cells += paired_times(session, arms, buffers, "eager", eager)
    cpu_share = reader_cpu_s() / (time.monotonic() - started_s)
    session.save(options.result, {"cells": cells, "reader_cpu_share": cpu_share})
    session.close()


if __name__ == "__main__":
    main()
