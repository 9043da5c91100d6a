# SPDX-License-Identifier: Apache-2.0
"""Paired timing of collectives: every arm in turn, many fresh captures, the slowest rank.

A captured graph's time jumps from capture to capture, so one capture of each arm says nothing. Here
one pair is one fresh capture of every arm in direct succession, in an order that flips from pair to
pair; sizes are visited in turn, so that a size's pairs are spread over the whole run.
"""

import functools
import gc
import time

import torch

from buffers import make_call

MODES = ("graph", "eager")
EAGER_ALIGNING_OPS = 2  # before an eager block: so that the ranks start it together


def _new_event():
    return torch.cuda.Event(enable_timing=True)


def _followed_by_kernel(run, nbytes, device):
    """As in a model, where no collective follows another. In graphs of nothing else the CPU's time to
    launch the graph hides that of the collectives (docs/measurements.md, section on graphs)."""
    buffer = torch.zeros(nbytes // 2, dtype=torch.bfloat16, device=device)

    def both():
        run()
        buffer.add_(1)

    return both


def time_graph(run, plan, call):
    """Per-op microseconds on this rank of each replay of one fresh capture."""
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(plan.graph_ops):
            run()
    events = [_new_event() for _ in range(plan.replays_of(call) + 1)]
    graph.replay()  # uploads the graph and lets the ranks meet
    events[0].record()
    for event in events[1:]:
        graph.replay()
        event.record()
    torch.cuda.synchronize()
    graph.reset()
    return [
        first.elapsed_time(second) * 1e3 / plan.graph_ops
        for first, second in zip(events, events[1:])
    ]


def time_eager(run, plan, _):
    """Per-op microseconds on this rank of one block of calls."""
    first, second = _new_event(), _new_event()
    torch.cuda.synchronize()
    for _ in range(EAGER_ALIGNING_OPS):
        run()
    first.record()
    for _ in range(plan.eager_ops):
        run()
    second.record()
    torch.cuda.synchronize()
    return [first.elapsed_time(second) * 1e3 / plan.eager_ops]


_TIMERS = {"graph": time_graph, "eager": time_eager}


def _median_of_slowest(session, samples):
    """`samples`: one list of replay times per pair; the median over replays of the slowest rank."""
    width = len(samples[0])
    flat = session.slowest([time_us for sample in samples for time_us in sample])
    rows = [flat[start : start + width] for start in range(0, len(flat), width)]
    return [sorted(row)[len(row) // 2] for row in rows]


def paired_times(session, arms, buffers, mode, plan):
    """Per-op microseconds of every call, arm and pair.

    `arms` maps names to clients. Returns one {"collective", "bytes", "mode", "arms": {name: [us]}}
    per call; all lists of a run have the same length, `plan.pairs` unless the time was over before.
    """
    timer = _TIMERS[mode]
    runs = {}
    buffers.reset()
    for call in plan.calls:
        for name, client in arms.items():
            send, recv = buffers.timed_operands(client, call)
            runs[call, name] = functools.partial(make_call, client, call, send, recv)
            if mode == "graph" and plan.between_bytes:
                runs[call, name] = _followed_by_kernel(
                    runs[call, name], plan.between_bytes, session.device
                )
            runs[call, name]()  # connections and kernels are set up before anything is timed
    torch.cuda.synchronize()

    samples = {key: [] for key in runs}
    order = list(arms)
    gc.collect()
    gc.freeze()  # torch.cuda.graph may collect garbage; there is little left to look through
    gc.disable()
    started_s = time.monotonic()
    for pair in range(plan.pairs):
        over = time.monotonic() - started_s > plan.limit_s
        if session.from_rank0(over):
            break
        for call in plan.calls:
            for name in order if pair % 2 == 0 else reversed(order):
                samples[call, name].append(timer(runs[call, name], plan, call))
    gc.enable()
    return [
        {
            "collective": call.collective,
            "bytes": call.total_bytes,
            "mode": mode,
            "arms": {name: _median_of_slowest(session, samples[call, name]) for name in arms},
        }
        for call in plan.calls
    ]
