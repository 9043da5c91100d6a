#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: creates communicators under settings that may differ between ranks; checks what each gives
and what the plugin says about it.

    divergence_cases.py CASES --nccl-library PATH --policies FOLDER --result PATH

CASES is the name of a function below. Started by launch.py, one process per rank.
"""

import argparse
import ctypes
import os
import pathlib
import time
from types import SimpleNamespace

import torch

from buffers import Buffers, make_call
from calls import KIB, Call
from exact import check_eager, check_graph, prepare, verify
from nccl_ctypes import Config, NcclClient, NcclLibrary, PyncclClient, UniqueId
from nccl_log import NcclLog, activations
from session import Session, environment

# Divisible among two, three and four ranks.
CALLS = (
    Call("allreduce", 8 * KIB),
    Call("allreduce", 1024 * KIB),
    Call("allgather", 96 * KIB),
)
LATE_S = 5


def write_policy(path, largest):
    """Replaces the file at once. NCCL itself does not take tree/ll here."""
    text = f"""schema = 1
name = "divergences"
[[rule]]
collective = "allreduce"
min_bytes = 1
max_bytes = {largest}
algorithm = "tree"
protocol = "ll"
"""
    new = pathlib.Path(f"{path}.new")
    new.write_text(text)
    os.replace(new, path)


class World:
    """The ranks, one libnccl, and a row per communicator that was checked."""

    def __init__(self, options):
        self.session = Session()
        self.rank, self.ranks = self.session.rank, self.session.ranks
        self.last = self.rank == self.ranks - 1
        self.library = NcclLibrary(options.nccl_library)
        self.policies = options.policies
        self.policy = f"{options.policies}/policy.toml"
        self.log = NcclLog()
        self.rows = []

    def pynccl(self):
        return PyncclClient(self.library, self.session)

    def case(self, name, reason, words=(), make=None, team=None, **variables):
        """One communicator, made by `make` under `variables`: it must come, its results must be
        exact, eager and in replayed graphs, and the plugin must give `reason` in a line with all
        `words` (None: say nothing). `team` is its ranks where they are not all."""
        started_s = time.monotonic()
        with environment(**variables):
            client = (make or self.pynccl)()
        seconds = time.monotonic() - started_s
        problems = self.check(client, team or self.session)
        said = activations(self.log.read_new())
        if [one[0] for one in said] != [reason] * (reason is not None):
            problems.append(f"reason {reason} wanted, log: {said}")
        line = said[0][1] if said else ""
        problems += [f"not in the log: {word!r}: {line}" for word in words if word not in line]
        self.rows.append(
            {"case": name, "rank": self.rank, "reason": said[0][0] if said else "",
             "seconds": seconds, "line": line, "problems": problems}
        )
        return client

    def check(self, client, team):
        buffers = Buffers(team, max(call.total_bytes for call in CALLS))
        problems = []
        for seed, call in enumerate(CALLS):
            for problem in (check_eager(client, buffers, call, seed),
                            check_graph(client, buffers, call)):
                if problem:
                    problems.append(f"{call}: {problem}")
        return problems

    def once(self, *arguments, **named):
        self.case(*arguments, **named).destroy()

    def differs(self, name, own_reason, words, **variables):
        """As case, with variables on the last rank only."""
        reason = own_reason if self.last else "no-agreement"
        self.once(name, reason, () if self.last and own_reason != "no-agreement" else words,
                  **(variables if self.last else {}))


def in_one_process(world):
    """Everything that needs no other plugin, node or process, one communicator after the other."""
    world.once("all equal", "active")
    differ = ("ranks would decide differently", f"(rank {world.ranks - 1}) differs in ")
    if world.ranks == 2:
        differ = differ[:1]  # neither of two is the usual one
    other = f"{world.policies}/other.toml"
    world.differs("another file", "no-agreement", differ, NCCL_VERNIER_POLICY=other)
    world.differs("no such file", "bad-policy", differ, NCCL_VERNIER_POLICY="/nowhere")
    world.differs("off", "mode", differ, NCCL_VERNIER_MODE="off")
    world.differs("observe", "mode", differ, NCCL_VERNIER_MODE="observe")
    world.differs("batch-invariant", "batch-invariant", differ, VLLM_BATCH_INVARIANT="1")
    world.differs("NCCL_PROTO=LL,Simple", "no-agreement", differ, NCCL_PROTO="LL,Simple")

    if world.last:
        time.sleep(LATE_S)
    world.once(f"{LATE_S} s late to ncclCommInitRank", "active")

    replaced(world)
    made_otherwise(world)


def replaced(world):
    """The file is replaced between two communicators; the first lives on with its graph."""
    first = world.case("before the file is replaced", "active")
    buffers = Buffers(world.session, CALLS[0].total_bytes)
    call = CALLS[0]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        make_call(first, call, buffers.send(call), buffers.recv(call))
    world.session.gather(None)
    if world.rank == 0:
        write_policy(world.policy, 4096)
    world.session.gather(None)
    second = world.case("after the file was replaced", "active")
    problems = world.rows[-1]["problems"]
    if world.rows[-2]["line"].split("sha256:")[1] == world.rows[-1]["line"].split("sha256:")[1]:
        problems.append("the same digest as before")
    prepare(buffers, call, 77)
    graph.replay()
    problems += filter(None, [verify(buffers, call, 77)])
    problems += world.check(first, world.session)
    world.log.read_new()
    graph.reset()
    first.destroy()
    second.destroy()


def made_otherwise(world):
    """Every other way in which NCCL makes communicators, one process per rank."""
    library, rank, ranks = world.library, world.rank, world.ranks

    def identifier():
        own = library.unique_id() if rank == 0 else None
        return UniqueId.from_buffer_copy(world.session.from_rank0(own))

    def grouped():
        handle = ctypes.c_void_p()
        library.call("ncclGroupStart")
        library.call("ncclCommInitRank", ctypes.byref(handle), ranks, identifier(), rank)
        library.call("ncclGroupEnd")
        return NcclClient(library, handle)

    def non_blocking():
        handle, config = ctypes.c_void_p(), Config.non_blocking()
        library.call("ncclCommInitRankConfig", ctypes.byref(handle), ranks, identifier(), rank,
                     ctypes.byref(config), in_progress=True)
        client = NcclClient(library, handle, blocking=False)
        client.await_success()
        return client

    def split(parent, color):
        child = ctypes.c_void_p()
        library.call("ncclCommSplit", parent.handle, color, rank, ctypes.byref(child), None)
        return NcclClient(library, child)

    def shrink(parent, excluded):
        child = ctypes.c_void_p()
        ranks_out = (ctypes.c_int * 1)(excluded)
        library.call("ncclCommShrink", parent.handle, ranks_out, 1, ctypes.byref(child), None, 0)
        return NcclClient(library, child)

    world.once("grouped init", "active", make=grouped)
    world.once("non-blocking init", "active", make=non_blocking)
    parent = world.case("parent of the next", "active")
    world.once("split, one colour", "active", make=lambda: split(parent, 0))
    off = {"NCCL_VERNIER_MODE": "off"} if world.last else {}
    world.once("split, one rank off", "mode" if world.last else "no-agreement",
               make=lambda: split(parent, 0), **off)
    if ranks == 4:
        half = SimpleNamespace(rank=rank % 2, ranks=2, device=world.session.device)
        world.once("split, two colours at once", "active", make=lambda: split(parent, rank // 2),
                   team=half)
        if not world.last:
            rest = SimpleNamespace(rank=rank, ranks=3, device=world.session.device)
            world.once("shrink to 3", "active", make=lambda: shrink(parent, 3), team=rest)
            off = {"NCCL_VERNIER_MODE": "off"} if rank == 2 else {}
            world.once("shrink to 3, one rank off", "mode" if off else "no-agreement",
                       make=lambda: shrink(parent, 3), team=rest, **off)
        world.session.gather(None)
    parent.destroy()


def without_plugin(world):
    """The last rank has NCCL_TUNER_PLUGIN=none."""
    for number in ("1st", "2nd"):
        name = f"no plugin on one rank, {number} communicator"
        if world.last:
            world.once(name, None)
        else:
            world.once(name, "no-agreement", (f"{world.ranks - 1} of {world.ranks} ranks met",))


def another_build(world):
    """The last rank's plugin has other decision semantics."""
    world.once("another build on one rank", "no-agreement", ("ranks would decide differently",))


def late(world):
    """The last rank's plugin is LATE_S late to the meeting."""
    world.once(f"{LATE_S} s late to the meeting", "active")
    world.session.gather(None)
    # The one who comes late finds a verdict, makes a meeting of its own and waits in vain.
    world.once(f"{LATE_S} s late to the meeting, timeout 1 s", "no-agreement",
               NCCL_VERNIER_AGREE_TIMEOUT_MS="1000")


def nodes_path(world):
    world.once("2 emulated nodes, path", "no-agreement", ("with several nodes a file may differ",))


def nodes_inline(world):
    world.once("2 emulated nodes, inline", "active")


def all_in_one_process(world):
    """ncclCommInitAll over all GPUs; world is this process alone."""
    gpus = torch.cuda.device_count()
    handles = (ctypes.c_void_p * gpus)()
    started_s = time.monotonic()
    world.library.call("ncclCommInitAll", handles, gpus, (ctypes.c_int * gpus)(*range(gpus)))
    seconds = time.monotonic() - started_s
    clients = [NcclClient(world.library, ctypes.c_void_p(handle)) for handle in handles]
    problems = []
    for count in (4096, 1 << 19):
        send = [torch.arange(count, device=gpu) % 50 + gpu for gpu in range(gpus)]
        send = [tensor.to(torch.bfloat16) for tensor in send]
        recv = [torch.full_like(tensor, float("nan")) for tensor in send]
        with clients[0].group():
            for gpu in range(gpus):
                with torch.cuda.device(gpu):
                    clients[gpu].allreduce(send[gpu], recv[gpu])
        for gpu in range(gpus):
            torch.cuda.synchronize(gpu)
            wanted = sum(tensor.to(gpu).float() for tensor in send)
            if not torch.equal(recv[gpu].float(), wanted):
                problems.append(f"allreduce of {count} elements is wrong on GPU {gpu}")
    said = activations(world.log.read_new())
    if [one[0] for one in said] != ["active"] * gpus:
        problems.append(f"log: {said}")
    world.rows.append({"case": "ncclCommInitAll", "rank": 0, "reason": said[0][0],
                       "seconds": seconds, "line": said[0][1], "problems": problems})
    for client in clients:
        client.destroy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases")
    parser.add_argument("--nccl-library", required=True)
    parser.add_argument("--policies", required=True)
    parser.add_argument("--result", required=True)
    options = parser.parse_args()
    world = World(options)
    globals()[options.cases](world)
    everyone = [row for rows in world.session.gather(world.rows) for row in rows]
    world.session.save(options.result, everyone)
    world.session.close()


if __name__ == "__main__":
    main()
