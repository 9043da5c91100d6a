#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: what graphs of collectives cost by themselves, and with something that takes times in them.

  lengths  replays by the number of operations, with nothing or a small kernel between two of them
  nodes    161 operations, of which a few lie between two event nodes, or between two kernels that
           write the GPU's timer (globaltimer)
"""

import argparse
import ctypes
import pathlib
import time

import torch

from nccl_ctypes import NcclLibrary, PyncclClient
from session import Session
from stats import median

ROOT = pathlib.Path(__file__).resolve().parents[2]
LENGTHS = (5, 20, 40, 80, 161, 320)
CALLS = 161
POSITIONS = ((62, 126), (29, 93, 157))  # of timed operations: two or three of a graph
BETWEEN = {"nothing": 0, "1 us": 8 << 10, "40 us": 80 << 20}  # bytes of a kernel
REPLAYS = 8
CAPTURES = 6
_HOST_MEMORY_ON_DEVICE = 2
_SLOTS = 64


def stamp_kernel():
    """The profiler's own, PTX."""
    source = ROOT / "plugin" / "profiler" / "gpu_timestamps.cc"
    return source.read_text().split('R"(')[1].split(')"')[0].encode() + b"\0"


class Stamps:
    """Kernels that write the GPU's timer into memory of the host."""

    def __init__(self):
        self._cuda = ctypes.CDLL("libcuda.so.1")
        module, self._kernel = ctypes.c_void_p(), ctypes.c_void_p()
        self._must("cuModuleLoadData", ctypes.byref(module), stamp_kernel())
        self._must("cuModuleGetFunction", ctypes.byref(self._kernel), module, b"vernier_timestamp")
        host, self._device = ctypes.c_void_p(), ctypes.c_uint64()
        self._must("cuMemHostAlloc", ctypes.byref(host), 8 * _SLOTS, _HOST_MEMORY_ON_DEVICE)
        self._must("cuMemHostGetDevicePointer_v2", ctypes.byref(self._device), host, 0)
        self.ns = (ctypes.c_uint64 * _SLOTS).from_address(host.value)

    def _must(self, name, *arguments):
        result = getattr(self._cuda, name)(*arguments)
        if result != 0:
            raise RuntimeError(f"{name}: {result}")

    def launch(self, slot):
        address = ctypes.c_uint64(self._device.value + 8 * slot)
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(address))
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self._must(
            "cuLaunchKernel", self._kernel, 1, 1, 1, 1, 1, 1, 0, stream, arguments, None
        )


class Graphs:
    def __init__(self, session, client):
        self._session = session
        self._client = client
        self._send = torch.ones(8192, dtype=torch.bfloat16, device=session.device)
        self._recv = torch.empty_like(self._send)
        self._other = {
            name: torch.ones(nbytes // 2, dtype=torch.bfloat16, device=session.device)
            for name, nbytes in BETWEEN.items()
            if nbytes
        }

    def capture(self, calls, between, around=lambda i, call: call()):
        other = self._other.get(between)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for i in range(calls):
                around(i, lambda: self._client.allreduce(self._send, self._recv))
                if other is not None:
                    other.add_(1)
        return graph

    def time(self, graph):
        """(us of a replay when one follows the other, us of the CPU for its launch), slowest rank"""
        events = [torch.cuda.Event(enable_timing=True) for _ in range(REPLAYS + 1)]
        torch.cuda.synchronize()
        graph.replay()
        torch.cuda.synchronize()
        self._session.gather(None)
        graph.replay()
        events[0].record()
        launches_us = []
        for event in events[1:]:
            started_s = time.perf_counter()
            graph.replay()
            launches_us.append((time.perf_counter() - started_s) * 1e6)
            event.record()
        torch.cuda.synchronize()
        graph.reset()
        replays_us = [a.elapsed_time(b) * 1e3 for a, b in zip(events, events[1:])]
        return self._session.slowest([median(replays_us), median(launches_us)])


def time_lengths(graphs):
    rows = []
    for between in ("nothing", "1 us"):
        for calls in LENGTHS:
            times = [graphs.time(graphs.capture(calls, between)) for _ in range(3)]
            rows.append(
                {"between": between, "calls": calls,
                 "replay_us": median([t[0] for t in times]) / calls,
                 "launch_us": median([t[1] for t in times]) / calls}
            )
    return rows


def time_nodes(graphs, stamps):
    def with_events(positions):
        def around(i, call):
            if i not in positions:
                return call()
            pair = [torch.cuda.Event(enable_timing=True, external=True) for _ in range(2)]
            kept.append(pair)
            pair[0].record()
            call()
            return pair[1].record()
        return around

    def with_stamps(positions):
        def around(i, call):
            if i not in positions:
                return call()
            slot = 2 * positions.index(i)
            stamps.launch(slot)
            call()
            return stamps.launch(slot + 1)
        return around

    rows = []
    for between in BETWEEN:
        for positions in POSITIONS:
            ways = {
                "none": lambda i, call: call(), "events": with_events(positions),
                "stamps": with_stamps(positions),
            }
            times = {name: [] for name in ways}
            operations_us = {name: [] for name in ways}
            for capture in range(CAPTURES):
                for name in list(ways) if capture % 2 == 0 else list(ways)[::-1]:
                    kept = []
                    times[name].append(graphs.time(graphs.capture(CALLS, between, ways[name]))[0])
                    operations_us["events"] += [a.elapsed_time(b) * 1e3 for a, b in kept]
                    if name == "stamps":
                        operations_us[name] += [
                            (stamps.ns[2 * n + 1] - stamps.ns[2 * n]) * 1e-3
                            for n in range(len(positions))
                        ]
            rows.append(
                {"between": between, "timed": len(positions), "replay_us": times,
                 "operation_us": {n: median(us) for n, us in operations_us.items() if us}}
            )
    rows.append({"empty pair of stamps, us": time_empty_pairs(stamps)})
    return rows


def time_empty_pairs(stamps):
    """us between kernels that write the timer and have nothing between them"""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for slot in range(_SLOTS):
            stamps.launch(slot)
    found_us = []
    for _ in range(50):
        graph.replay()
        torch.cuda.synchronize()
        found_us += [(b - a) * 1e-3 for a, b in zip(stamps.ns, stamps.ns[1:])]
    return {"least": min(found_us), "median": median(found_us), "most": max(found_us)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nccl", required=True)
    parser.add_argument("--what", choices=("lengths", "nodes"), required=True)
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    session = Session()
    graphs = Graphs(session, PyncclClient(NcclLibrary(options.nccl), session))
    rows = time_lengths(graphs) if options.what == "lengths" else time_nodes(graphs, Stamps())
    session.save(options.result, rows)
    session.close()


if __name__ == "__main__":
    main()
