# SPDX-License-Identifier: Apache-2.0
"""Bit-exact checks of collectives, eager and in replayed CUDA graphs.

The output is poisoned before each run; every element on every rank is compared, the elements behind
the output and the input too.
"""

import torch

from buffers import make_call
from calls import ROOT, Call

POISON = float("nan")  # equal to nothing
GRAPH_SEEDS = (11, 12)


def expected_values(buffers, call, seed):
    """What this rank must receive, as int64, or None where it receives nothing."""
    session = buffers.session
    count = call.recv_count(session.ranks)
    everyone = range(session.ranks)
    if call.collective == "allgather":
        share = call.send_count(session.ranks)
        return torch.cat([buffers.values(0, share, rank, seed) for rank in everyone])
    if call.collective == "broadcast":
        return buffers.values(0, count, ROOT, seed)
    if call.collective == "reduce" and session.rank != ROOT:
        return None
    first = session.rank * count if call.collective == "reducescatter" else 0
    return sum(buffers.values(first, count, rank, seed) for rank in everyone)


def _first_difference(seen, wanted):
    """(index, seen, wanted) of the first element that differs, or None."""
    differs = (seen != wanted).nonzero()
    if differs.numel() == 0:
        return None
    index = int(differs[0])
    return index, float(seen[index]), float(wanted[index])


def prepare(buffers, call, seed):
    buffers.fill(buffers.send(call), buffers.session.rank, seed)
    buffers.guarded_recv(call).fill_(POISON)


def verify(buffers, call, seed):
    """What is wrong after a run, as text, or None."""
    torch.cuda.synchronize()
    wanted = expected_values(buffers, call, seed)
    if wanted is not None:
        difference = _first_difference(buffers.recv(call), wanted.to(torch.bfloat16))
        if difference:
            return "output[{}] is {}, expected {}".format(*difference)
    guard = buffers.guarded_recv(call)[call.recv_count(buffers.session.ranks) :]
    if not bool(guard.isnan().all()):
        return "something was written behind the output"
    send = buffers.send(call)
    sent = buffers.values(0, send.numel(), buffers.session.rank, seed).to(torch.bfloat16)
    difference = _first_difference(send, sent)
    if difference:
        return "input[{}] became {}, was {}".format(*difference)
    return None


def check_eager(client, buffers, call, seed):
    prepare(buffers, call, seed)
    make_call(client, call, buffers.send(call), buffers.recv(call))
    return verify(buffers, call, seed)


def check_graph(client, buffers, call):
    """Captures the call in torch's default (global) capture mode and replays it on fresh data."""
    send, recv = buffers.send(call), buffers.recv(call)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        make_call(client, call, send, recv)
    problem = None
    for seed in GRAPH_SEEDS:
        prepare(buffers, call, seed)
        graph.replay()
        problem = problem or verify(buffers, call, seed)
    graph.reset()
    return problem


def check_uneven_gather(client, buffers, total_bytes, seed):
    """vLLM's all-gather of uneven parts: a group of broadcasts, one per rank."""
    session = buffers.session
    whole = Call("broadcast", total_bytes)
    recv = buffers.guarded_recv(whole)
    recv.fill_(POISON)
    parts, first = [], 0
    for rank in range(session.ranks):
        count = whole.recv_count(session.ranks) // session.ranks - rank
        parts.append((first, count))
        first += count
    send = buffers.send(whole)[: parts[session.rank][1]]
    buffers.fill(send, session.rank, seed)
    with client.group():
        for rank, (start, count) in enumerate(parts):
            client.broadcast(send, recv[start : start + count], rank)
    torch.cuda.synchronize()
    for rank, (start, count) in enumerate(parts):
        wanted = buffers.values(0, count, rank, seed).to(torch.bfloat16)
        difference = _first_difference(recv[start : start + count], wanted)
        if difference:
            return f"part of rank {rank}: " + "output[{}] is {}, expected {}".format(*difference)
    if not bool(recv[first:].isnan().all()):
        return "something was written behind the output"
    return None
