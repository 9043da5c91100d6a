#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: makes every call of a fabric once, with NCCL's log on, and keeps what NCCL said.

Also notes the GPU memory that the first communicator took, and (--first-use) tries the first use of
an algorithm inside a graph capture. Started by launch.py, one process per rank; the environment
decides whether there is a plugin, and in which mode.
"""

import argparse
import os

import torch

from buffers import Buffers, make_call
from calls import Call
from exact import check_graph
from fabrics import FABRICS, representative_bytes, survey_calls
from inline_policy import encode, logged_digests
from nccl_ctypes import NcclLibrary, PyncclClient
from nccl_log import NcclLog
from session import Session, environment
from torch_client import TorchClient

MIB = 1 << 20

# Ring is connected by the warm-up. Where no rule names another algorithm, this policy makes sure
# that an algorithm is used for the first time while capturing.
TREE_RULE = {"collective": "allreduce", "min_bytes": 16384, "max_bytes": 16384}
TREE_POLICY = """schema = 1
name = "first-use-of-tree"
[[rule]]
collective = "allreduce"
min_bytes = 16384
max_bytes = 16384
ranks = {ranks}
nodes = {nodes}
algorithm = "tree"
protocol = "ll"
"""


def used_mib(device):
    torch.cuda.synchronize()
    free_bytes, total_bytes = torch.cuda.mem_get_info(device)
    return (total_bytes - free_bytes) / MIB


def call_eagerly(client, buffers, calls):
    for call in calls:
        make_call(client, call, *buffers.timed_operands(client, call))


def call_in_graphs(client, buffers, calls):
    for call in calls:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            make_call(client, call, *buffers.timed_operands(client, call))
        graph.replay()
        torch.cuda.synchronize()
        graph.reset()


def survey(make_client, buffers, calls, log, device):
    """One communicator: its log by phase, and its memory in MiB."""
    before_mib = used_mib(device)
    client = make_client()
    created_mib = used_mib(device)
    texts = {"init": log.read_new()}
    call_eagerly(client, buffers, calls)
    used_all_mib = used_mib(device)
    texts["eager"] = log.read_new()
    call_in_graphs(client, buffers, calls)
    texts["graph"] = log.read_new()
    client.destroy()
    memory = {"created": created_mib - before_mib, "after_all_calls": used_all_mib - before_mib}
    return texts, memory


def try_first_use(make_client, buffers, rule, ranks, log):
    """A new communicator whose first call after the warm-up happens inside a capture."""
    client = make_client()
    call = Call(rule["collective"], representative_bytes(rule, ranks))
    log.read_new()
    problem = check_graph(client, buffers, call)
    text = log.read_new()
    client.destroy()
    return {"collective": call.collective, "total_bytes": call.total_bytes, "problem": problem,
            "text": text}


def first_uses(fabric, rules):
    """(rule, policy text or None for the process's own): the first rule of each collective,
    algorithm and protocol, and a tree where no rule has one."""
    distinct = {}
    for rule in rules:
        distinct.setdefault((rule["collective"], rule["algorithm"], rule["protocol"]), rule)
    uses = [(rule, None) for rule in distinct.values()]
    if all(rule["algorithm"] != "tree" for rule in rules):
        uses.append((TREE_RULE, TREE_POLICY.format(ranks=fabric.ranks, nodes=fabric.nodes)))
    return uses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fabric", required=True, choices=FABRICS)
    parser.add_argument("--clients", required=True, help="pynccl or pynccl,torch")
    parser.add_argument("--nccl-library", required=True)
    parser.add_argument("--first-use", action="store_true")
    parser.add_argument("--result", required=True)
    options = parser.parse_args()

    session = Session()
    fabric = FABRICS[options.fabric]
    policy = fabric.policy()
    calls = survey_calls(fabric, policy)
    buffers = Buffers(session, max(call.total_bytes for call in calls))
    library = NcclLibrary(options.nccl_library)
    makers = {
        "pynccl": lambda: PyncclClient(library, session),
        "torch": lambda: TorchClient(session),
    }
    log = NcclLog()
    # The warm-up's small buffers must come out of memory that torch already has.
    torch.ones(1, device=session.device)
    result = {
        "nccl": library.version(),
        "torch_nccl": torch.cuda.nccl.version(),
        "gpu": torch.cuda.get_device_name(session.device),
        "logs": {},
        "digests": {},  # by client, of every rank: which policy the plugin says it holds
        "first_use": [],
    }
    for name in options.clients.split(","):
        texts, memory = survey(makers[name], buffers, calls, log, session.device)
        result["logs"][name] = texts
        result["digests"][name] = session.gather(logged_digests(texts["init"]))
        if name == "pynccl":  # the first communicator of this process
            everyone = session.gather(memory)
            result["memory_mib"] = {key: max(one[key] for one in everyone) for key in memory}

    if options.first_use:
        for rule, text in first_uses(fabric, policy.get("rule", [])):
            inline = os.environ["NCCL_VERNIER_POLICY"] if text is None else encode(text)
            with environment(NCCL_VERNIER_POLICY=inline):
                use = try_first_use(makers["pynccl"], buffers, rule, session.ranks, log)
            problems = session.gather(use.pop("problem"))
            use["problems"] = [f"rank {r}: {p}" for r, p in enumerate(problems) if p]
            use["policy"] = text
            result["first_use"].append(use)

    session.save(options.result, result)
    session.close()


if __name__ == "__main__":
    main()
