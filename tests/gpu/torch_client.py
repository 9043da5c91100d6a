# SPDX-License-Identifier: Apache-2.0
"""The same collectives through torch.distributed's ProcessGroupNCCL.

torch makes a group's communicator at the group's first collective, in that call. So the environment
that a plugin reads at a communicator's birth is the one around this constructor.
"""

import torch
import torch.distributed as dist


class TorchClient:
    """A process group over all ranks of a session."""

    inplace = True  # allreduce, broadcast and reduce work on one buffer

    def __init__(self, session):
        self._group = dist.new_group(backend="nccl")
        one = torch.ones(1, dtype=torch.float32, device=session.device)
        dist.all_reduce(one, group=self._group)
        torch.cuda.synchronize()
        if one.item() != session.ranks:
            raise RuntimeError(f"warm-up all-reduce gave {one.item()}, expected {session.ranks}")

    def _in_place(self, send, recv):
        """The buffer to work on, holding what `send` holds."""
        if recv.data_ptr() != send.data_ptr():
            recv.copy_(send)
        return recv

    def allreduce(self, send, recv):
        dist.all_reduce(self._in_place(send, recv), group=self._group)

    def allgather(self, send, recv):
        dist.all_gather_into_tensor(recv, send, group=self._group)

    def reducescatter(self, send, recv):
        dist.reduce_scatter_tensor(recv, send, group=self._group)

    def broadcast(self, send, recv, root):
        dist.broadcast(self._in_place(send, recv), root, group=self._group)

    def reduce(self, send, recv, root):
        dist.reduce(self._in_place(send, recv), root, group=self._group)

    def destroy(self):
        torch.cuda.synchronize()
        dist.destroy_process_group(self._group)
