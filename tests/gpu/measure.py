#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: exactness, then paired timing, of a fabric's policy. One process per rank.

All arms live in one process: the plugin reads NCCL_VERNIER_MODE at each communicator's birth, so a
communicator born under "off" is NCCL's own choice and one born under "apply" follows the policy.
A second "off" communicator is the null arm: what it shows against the first is noise.
"""

import argparse
import sys

from buffers import Buffers
from exact import check_eager, check_graph, check_uneven_gather
from fabrics import FABRICS, exact_calls, timing_plan
from nccl_ctypes import NcclLibrary, PyncclClient
from session import Session, environment
from timing import MODES, paired_times
from torch_client import TorchClient

ARM_MODES = {"default": "off", "tuned": "apply", "null": "off"}  # in pair order
UNEVEN_BYTES = (4096, 92160, 1 << 20)
EAGER_SEED = 7


def make_arms(make_client, turn):
    """The arms in pair order, born in an order that moves on with every launch: where in memory a
    communicator lies may depend on it."""
    names = list(ARM_MODES)
    first = turn % len(names)
    born = {}
    for name in names[first:] + names[:first]:
        with environment(NCCL_VERNIER_MODE=ARM_MODES[name]):
            born[name] = make_client()
    return {name: born[name] for name in names}


def check_exactness(session, client_name, arms, buffers, fabric):
    """Number of checks and the failures of all ranks, as text."""
    failures, checks = [], 0

    def note(arm, what, problem):
        nonlocal checks
        checks += 1
        if problem:
            failures.append(f"{client_name} {arm} {what} rank {session.rank}: {problem}")

    for arm in ("default", "tuned"):
        client = arms[arm]
        calls = exact_calls(fabric)
        # All eager calls come first: torch may wait for its watchdog between an eager collective
        # and a capture.
        for call in calls:
            problem = check_eager(client, buffers, call, EAGER_SEED)
            note(arm, f"{call.collective} {call.total_bytes} bytes eager", problem)
        for call in calls:
            problem = check_graph(client, buffers, call)
            note(arm, f"{call.collective} {call.total_bytes} bytes graph", problem)
        if hasattr(client, "group"):
            for nbytes in UNEVEN_BYTES:
                problem = check_uneven_gather(client, buffers, nbytes, EAGER_SEED)
                note(arm, f"uneven all-gather {nbytes} bytes", problem)
    return checks, [text for one in session.gather(failures) for text in one]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fabric", required=True, choices=FABRICS)
    parser.add_argument("--clients", required=True, help="pynccl or pynccl,torch")
    parser.add_argument("--nccl-library", required=True)
    parser.add_argument("--depth", required=True, choices=("full", "brief", "quick"))
    parser.add_argument("--pairs", type=int, help="instead of the depth's number")
    parser.add_argument("--turn", type=int, required=True, help="number of this launch, from 0")
    parser.add_argument("--result", required=True)
    options = parser.parse_args()

    session = Session()
    fabric = FABRICS[options.fabric]
    library = NcclLibrary(options.nccl_library)
    names = options.clients.split(",")
    plans = {name: timing_plan(fabric, name, options.depth, options.pairs) for name in names}
    calls = [*exact_calls(fabric), *(call for plan in plans.values() for call in plan.calls)]
    buffers = Buffers(session, max(call.total_bytes for call in calls))
    makers = {
        "pynccl": lambda: PyncclClient(library, session),
        "torch": lambda: TorchClient(session),
    }
    result = {"nccl": library.version(), "exact": {}, "timing": []}
    clients = []
    for name in names:
        arms = make_arms(makers[name], options.turn)
        if options.turn == 0:
            checks, failures = check_exactness(session, name, arms, buffers, fabric)
            result["exact"][name] = {"checks": checks, "failures": failures}
            if failures and session.rank == 0:
                print("\n".join(failures[:20]), file=sys.stderr)
        plan = plans[name]
        for mode in MODES:
            # Saved as it grows: a worker that is stopped later loses nothing that it had.
            session.save(options.result, result)
            for cell in paired_times(session, arms, buffers, mode, plan):
                result["timing"].append({"client": name, "planned_pairs": plan.pairs, **cell})
        clients += arms.values()
    # The result is safe before the communicators are destroyed: should that hang, it is a failure
    # of its own, and the measurements are not lost.
    session.save(options.result, result)
    for client in clients:
        client.destroy()
    session.close()


if __name__ == "__main__":
    main()
