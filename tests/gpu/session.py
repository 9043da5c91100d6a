# SPDX-License-Identifier: Apache-2.0
"""The start and the end of a worker process: its rank, its GPU, control traffic and its result.

Control traffic goes over gloo on loopback, never over NCCL.
"""

import contextlib
import datetime
import faulthandler
import json
import os
import signal

import torch
import torch.distributed as dist

CONTROL_LIMIT_S = 120  # a rank that waits longer for the others fails


class Session:
    def __init__(self):
        # The launcher sends this signal to a worker that hangs; faulthandler answers from C, so it
        # works inside a blocked CUDA or NCCL call too.
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        self.rank = int(os.environ["RANK"])
        self.ranks = int(os.environ["WORLD_SIZE"])
        self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(self.device)
        # No device_id: with one, torch would split new communicators off an existing one.
        dist.init_process_group(
            "gloo", timeout=datetime.timedelta(seconds=CONTROL_LIMIT_S)
        )

    def from_rank0(self, value):
        """Rank 0's value, on every rank."""
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def slowest(self, times_us):
        """Element-wise maximum over the ranks of a list of numbers."""
        tensor = torch.tensor(times_us, dtype=torch.float64)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor.tolist()

    def gather(self, value):
        """Every rank's value, in rank order, on every rank."""
        values = [None] * self.ranks
        dist.all_gather_object(values, value)
        return values

    def save(self, result_path, result):
        """Rank 0 writes the result; the file appears whole or not at all."""
        if self.rank == 0:
            with open(result_path + ".part", "w") as file:
                json.dump(result, file)
            os.replace(result_path + ".part", result_path)

    def close(self):
        dist.barrier()
        dist.destroy_process_group()


@contextlib.contextmanager
def environment(**variables):
    """Sets variables (None removes) and restores them. NCCL's getenv sees them: os.environ calls
    setenv."""
    before = {name: os.environ.get(name) for name in variables}

    def assign(values):
        for name, setting in values.items():
            if setting is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = setting

    assign(variables)
    try:
        yield
    finally:
        assign(before)
