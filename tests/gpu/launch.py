# SPDX-License-Identifier: Apache-2.0
"""Starts one process per GPU and waits for all of them, but not for ever.

A rank that fails or hangs ends the whole run: the others are stopped and the report says which rank
it was, with the end of its output.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

GRACE_S = 3.0  # after the first failure: victims of it get this long to say what they saw
STACKS_S = 1.0  # after a time-out: time for the ranks to print where they are
TAIL_LINES = 15
POLL_S = 0.02

# Variables that would change what NCCL does, or which plugin it loads.
CLEARED_PREFIXES = (
    "NCCL_VERNIER_",
    "NCCL_DEBUG",
    "NCCL_ALGO",
    "NCCL_PROTO",
    "NCCL_TUNER_",
    "NCCL_PROFILER_PLUGIN",
    "VLLM_",
)


@dataclass(frozen=True)
class Outcome:
    ok: bool
    reason: str
    seconds: float


def base_environment(environ=None):
    """This process's environment less the variables that would disturb a test."""
    source = os.environ if environ is None else environ
    return {k: v for k, v in source.items() if not k.startswith(CLEARED_PREFIXES)}


def _free_port():
    """A port for rank 0 to listen on. Below the range from which the kernel gives ports to the
    sockets that NCCL and gloo open meanwhile (32768 and up): one of theirs would be taken."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port


def _tail(path):
    with open(path, errors="replace") as log:
        return "".join(f"    | {line.rstrip()}\n" for line in log.readlines()[-TAIL_LINES:])


def _describe_exit(code):
    if code >= 0:
        return f"exited with {code}"
    return f"was killed by {signal.Signals(-code).name}"


def launch(command, ranks, environment_of_rank, limit_s, log_dir, name):
    """Runs `command` (script and arguments) once per rank and returns the Outcome.

    `environment_of_rank(rank)` adds to the base environment; a value of None removes a variable.
    Each rank's output goes to log_dir/NAME.rankR.log.
    """
    started_s = time.monotonic()
    port = _free_port()
    processes, logs = [], []
    first_failure_s = None
    timed_out = False
    failures = []  # (rank, exit code) in the order in which they were seen
    try:
        for rank in range(ranks):
            environment = base_environment()
            environment.update(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE=str(ranks),
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(port),
                GLOO_SOCKET_IFNAME="lo",
                PYTHONUNBUFFERED="1",
            )
            for key, setting in environment_of_rank(rank).items():
                if setting is None:
                    environment.pop(key, None)
                else:
                    environment[key] = setting
            logs.append(os.path.join(log_dir, f"{name}.rank{rank}.log"))
            with open(logs[-1], "wb") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, *command],
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        seen = set()
        while len(seen) < ranks:
            now_s = time.monotonic()
            for rank, process in enumerate(processes):
                if rank not in seen and process.poll() is not None:
                    seen.add(rank)
                    if process.returncode != 0:
                        failures.append((rank, process.returncode))
                        first_failure_s = first_failure_s or now_s
            if first_failure_s is not None and now_s - first_failure_s > GRACE_S:
                break
            if now_s - started_s > limit_s and len(seen) < ranks:
                timed_out = True
                break
            time.sleep(POLL_S)
        if timed_out:
            # Workers answer SIGUSR1 with their Python stacks (session.py).
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGUSR1)
            time.sleep(STACKS_S)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
        for process in processes:
            process.wait()
    seconds = time.monotonic() - started_s
    if timed_out:
        running = [rank for rank in range(ranks) if rank not in seen]
        reason = f"not finished after {limit_s:.0f} s: rank {', '.join(map(str, running))}\n"
        return Outcome(False, reason + "".join(_tail(logs[r]) for r in running[:2]), seconds)
    if failures:
        rank, code = failures[0]
        reason = f"rank {rank} {_describe_exit(code)}"
        if len(failures) > 1:
            reason += " first, then " + ", ".join(f"rank {r}" for r, _ in failures[1:])
        return Outcome(False, reason + "\n" + _tail(logs[rank]), seconds)
    return Outcome(True, "", seconds)
