#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: makes calls and writes down which, for comparison with what the profiler counted.

Two communicators; every collective, an uneven allgather, send and receive, groups; eager and in a
graph that is replayed; two data types.
"""

import argparse
import collections
import functools

import torch
import torch.distributed as dist

from nccl_ctypes import NcclLibrary, PyncclClient
from session import Session

COUNTS = (8, 4096, 100_000)  # elements
DTYPES = {torch.bfloat16: "bfloat16", torch.float32: "float32"}
REPLAYS = 7
COMMUNICATORS = 2


class Ledger:
    """{(communicator, call, data type, count, captured): [calls, replays]}"""

    def __init__(self):
        self._numbers = collections.defaultdict(lambda: [0, 0])

    def note(self, communicator, calls, captured=False):
        for call in calls:
            self._numbers[(communicator, *call, captured)][0] += 1
            self._numbers[(communicator, *call, captured)][1] += REPLAYS if captured else 0

    def rows(self):
        return [[*key, *numbers] for key, numbers in sorted(self._numbers.items())]


def operands(session, dtype, count):
    """Two buffers for all ranks, and one of another length for each rank."""
    make = functools.partial(torch.zeros, dtype=dtype, device=session.device)
    lengths = [count + 10 * root for root in range(session.ranks)]
    return make(count * session.ranks), make(count * session.ranks), list(map(make, lengths))


def neighbours(session):
    """(the next rank, the previous one)"""
    return (session.rank + 1) % session.ranks, (session.rank - 1) % session.ranks


def pynccl_steps(session, client, dtype, count):
    """[(what to do, the calls that it makes)]"""
    whole, other, uneven = operands(session, dtype, count)
    part, other_part = whole[:count], other[:count]
    next_rank, previous = neighbours(session)
    name = DTYPES[dtype]

    def gather_uneven():
        with client.group():
            for root, piece in enumerate(uneven):
                client.broadcast(piece, piece, root)

    def ring():
        with client.group():
            client.send(part, next_rank)
            client.recv(other_part, previous)

    def grouped():
        with client.group():
            client.allreduce(part, other_part)
            client.allgather(part, whole)

    return [
        (lambda: client.allreduce(part, other_part), [("allreduce", name, count)]),
        (lambda: client.allgather(part, other), [("allgather", name, count)]),
        (lambda: client.reducescatter(whole, other_part), [("reducescatter", name, count)]),
        (lambda: client.broadcast(part, other_part, 1), [("broadcast", name, count)]),
        (lambda: client.reduce(part, other_part, 1), [("reduce", name, count)]),
        (gather_uneven, [("broadcast", name, piece.numel()) for piece in uneven]),
        (ring, [("send", name, count), ("recv", name, count)]),
        (grouped, [("allreduce", name, count), ("allgather", name, count)]),
    ]


def torch_steps(session, group, dtype, count):
    """The same of torch, with what ProcessGroupNCCL makes of each."""
    whole, other, uneven = operands(session, dtype, count)
    part, other_part = whole[:count], other[:count]
    next_rank, previous = neighbours(session)
    name = DTYPES[dtype]
    mine = uneven[session.rank].clone()

    def ring():
        operations = [
            dist.P2POp(dist.isend, part, next_rank, group),
            dist.P2POp(dist.irecv, other_part, previous, group),
        ]
        for work in dist.batch_isend_irecv(operations):
            work.wait()

    return [
        (lambda: dist.all_reduce(part, group=group), [("allreduce", name, count)]),
        (
            lambda: dist.all_gather_into_tensor(other, part, group=group),
            [("allgather", name, count)],
        ),
        (
            lambda: dist.reduce_scatter_tensor(other_part, whole, group=group),
            [("reducescatter", name, count)],
        ),
        (lambda: dist.broadcast(part, 1, group=group), [("broadcast", name, count)]),
        (lambda: dist.reduce(part, 1, group=group), [("reduce", name, count)]),
        (
            lambda: dist.all_gather(uneven, mine, group=group),
            [("broadcast", name, piece.numel()) for piece in uneven],
        ),
        (
            lambda: dist.reduce_scatter(mine, uneven, group=group),
            [("reduce", name, piece.numel()) for piece in uneven],
        ),
        (ring, [("send", name, count), ("recv", name, count)]),
        (
            lambda: dist.all_to_all_single(other, whole, group=group),
            [(call, name, count) for call in ("send", "recv") for _ in range(session.ranks)],
        ),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", choices=("pynccl", "torch"), required=True)
    parser.add_argument("--nccl", required=True, help="libnccl.so.2, for pynccl")
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    session = Session()
    ledger = Ledger()
    library = NcclLibrary(options.nccl) if options.client == "pynccl" else None
    kept = []
    for communicator in range(1, COMMUNICATORS + 1):
        if library is not None:
            owner = PyncclClient(library, session)
            make_steps = pynccl_steps
        else:
            owner = dist.new_group(backend="nccl")
            one = torch.ones(1, device=session.device)
            dist.all_reduce(one, group=owner)
            make_steps = torch_steps
        kept.append(owner)
        ledger.note(communicator, [("allreduce", "float32", 1)])
        for count in COUNTS:
            for dtype in DTYPES:
                steps = make_steps(session, owner, dtype, count)
                for times, (run, calls) in enumerate(steps, start=communicator):
                    for _ in range(times):
                        run()
                        ledger.note(communicator, calls)
                torch.cuda.synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    for run, calls in steps:
                        for _ in range(2):
                            run()
                            ledger.note(communicator, calls, captured=True)
                for _ in range(REPLAYS):
                    graph.replay()
                torch.cuda.synchronize()
                graph.reset()  # or the end of a communicator would wait for it
    with open(f"{options.result}.rank{session.rank}", "w") as file:
        file.writelines(f"{row}\n".replace("'", '"').replace("True", "true").replace("False", "false")
                        for row in ledger.rows())
    session.close()


if __name__ == "__main__":
    main()
