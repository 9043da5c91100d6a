#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: times operations of a replayed graph by events of its own, beside the profiler's.

With NCCL_VERNIER_PROFILE=sampled:8 the profiler times positions 0, 8, 16, ... of each graph here:
the calls before a capture are a multiple of 8. Ours are read once a burst of replays has ended, so
no reading can be torn. A burst is 40 replays, launched at once; in the pattern "steps" it is one, with
a pause after it, as a server that waits for each token. Small kernels lie between the operations: without
any, the client's events would wait for the CPU to launch the rest of the graph.
"""

import argparse
import time

import torch

from nccl_ctypes import NcclLibrary, PyncclClient
from profiler_graphs import Stamps
from session import Session
from stats import median

SIZES = (8 << 10, 64 << 10, 512 << 10)  # bytes
EVERY = 8
CALLS = 40
BESIDE = (4, 12, 20, 28)  # positions timed by us alone
AROUND = 16  # one that the profiler times too: its events lie within ours
EMPTY = 36  # before it, pairs of the client's and of the profiler's kind without an operation
BETWEEN_BYTES = 8 << 10
# What a pair shows of a kernel that does next to nothing is what the pair itself costs.
REFERENCES = ("empty", "null", "profiler_empty", "profiler_null")
# pattern: (replays, of a burst, pause after it)
PATTERNS = {"burst": (20_000, 40, 0.0), "steps": (4_000, 1, 0.0003)}


class Pair:
    def __init__(self):
        self._events = [torch.cuda.Event(enable_timing=True, external=True) for _ in range(2)]

    def __enter__(self):
        self._events[0].record()

    def __exit__(self, *_):
        self._events[1].record()

    def elapsed_ns(self):
        return round(self._events[0].elapsed_time(self._events[1]) * 1e6)


def time_replays(session, graph):
    """us of a replay, of the slowest rank"""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(41)]
    session.gather(None)
    graph.replay()
    for event in events:
        event.record()
        graph.replay()
    torch.cuda.synchronize()
    return session.slowest([median([a.elapsed_time(b) * 1e3 for a, b in zip(events, events[1:])])])[0]


def time_chain(session, client, send, recv, other):
    """us that an operation adds to a graph that holds CALLS of it: nothing lies around any"""
    replays_us = {True: [], False: []}
    for _ in range(5):
        for with_calls in replays_us:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(CALLS):
                    if with_calls:
                        client.allreduce(send, recv)
                    other.add_(1)
            replays_us[with_calls].append(time_replays(session, graph))
            graph.reset()
    return (median(replays_us[True]) - median(replays_us[False])) / CALLS


def time_size(session, client, stamps, nbytes, pattern):
    """{"beside", "around" and each of REFERENCES: [ns], "chain_us": us}"""
    other = torch.ones(BETWEEN_BYTES // 2, dtype=torch.bfloat16, device=session.device)
    send = torch.ones(nbytes // 2, dtype=torch.bfloat16, device=session.device)
    recv = torch.empty_like(send)
    chain_us = time_chain(session, client, send, recv, other)
    for _ in range(EVERY):
        client.allreduce(send, recv)
    torch.cuda.synchronize()
    pairs = {position: Pair() for position in (*BESIDE, AROUND)}
    empty, null = Pair(), Pair()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for position in range(CALLS):
            if position == EMPTY:
                with empty:
                    pass
                with null:
                    stamps.launch(5)
                for slot in (0, 1, 2, 5, 3):  # from 2 to 3: around another kernel of one thread
                    stamps.launch(slot)
            if position in pairs:
                with pairs[position]:
                    client.allreduce(send, recv)
            else:
                client.allreduce(send, recv)
            other.add_(1)
    times = {name: [] for name in ("beside", "around", *REFERENCES)}
    replays, burst, pause_s = PATTERNS[pattern]
    for _ in range(replays // burst):
        for _ in range(burst):
            graph.replay()
        torch.cuda.synchronize()
        time.sleep(pause_s)
        times["beside"] += [pairs[position].elapsed_ns() for position in BESIDE]
        times["around"].append(pairs[AROUND].elapsed_ns())
        times["empty"].append(empty.elapsed_ns())
        times["null"].append(null.elapsed_ns())
        times["profiler_empty"].append(stamps.ns[1] - stamps.ns[0])
        times["profiler_null"].append(stamps.ns[3] - stamps.ns[2])
    return {**times, "chain_us": chain_us}, graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nccl", required=True)
    parser.add_argument("--pattern", choices=PATTERNS, required=True)
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    session = Session()
    client = PyncclClient(NcclLibrary(options.nccl), session)
    one = torch.ones(1, dtype=torch.float32, device=session.device)
    for _ in range(EVERY - 1):  # with the warm-up
        client.allreduce(one, one.clone())
    stamps, kept, times = Stamps(), [], {}
    for nbytes in SIZES:
        times[nbytes], graph = time_size(session, client, stamps, nbytes, options.pattern)
        kept.append(graph)
    session.save(options.result, session.gather(times))
    session.close()


if __name__ == "__main__":
    main()
