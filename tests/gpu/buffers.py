# SPDX-License-Identifier: Apache-2.0
"""Device buffers for calls up to a largest size, and how a call is made on them."""

import torch

from calls import ELEMENT_BYTES, ROOT
from values import value

GUARD_ELEMENTS = 64  # behind the receive buffer; nothing may write there


class Buffers:
    def __init__(self, session, largest_bytes):
        self.session = session
        elements = largest_bytes // ELEMENT_BYTES
        options = {"dtype": torch.bfloat16, "device": session.device}
        self._send = torch.empty(elements, **options)
        self._recv = torch.empty(elements + GUARD_ELEMENTS, **options)
        self._index = torch.arange(elements, dtype=torch.int64, device=session.device)
        self.reset()

    def reset(self):
        """Both buffers hold ordinary numbers (not zeros, not poison)."""
        self.fill(self._send, self.session.rank, 0)
        self._recv.fill_(1)

    def values(self, first, count, rank, seed):
        """Elements first .. first + count - 1 of a rank's data, as int64."""
        return value(rank, self._index[first : first + count], seed, self.session.ranks)

    def fill(self, tensor, rank, seed):
        tensor.copy_(self.values(0, tensor.numel(), rank, seed))

    def _check_room(self, call):
        # A view that is too short would be a smaller call, without a word.
        if call.total_bytes > self._send.numel() * ELEMENT_BYTES:
            raise ValueError(f"{call} is larger than the buffers")

    def send(self, call):
        self._check_room(call)
        return self._send[: call.send_count(self.session.ranks)]

    def recv(self, call):
        self._check_room(call)
        return self._recv[: call.recv_count(self.session.ranks)]

    def guarded_recv(self, call):
        """The receive buffer and the guard behind it."""
        return self._recv[: call.recv_count(self.session.ranks) + GUARD_ELEMENTS]

    def timed_operands(self, client, call):
        """Send and receive views; one buffer where the client works in place, because a copy would
        be timed otherwise."""
        if client.inplace and call.collective in ("allreduce", "broadcast", "reduce"):
            return self.recv(call), self.recv(call)
        return self.send(call), self.recv(call)


def make_call(client, call, send, recv):
    method = getattr(client, call.collective)
    if call.collective in ("broadcast", "reduce"):
        method(send, recv, ROOT)
    else:
        method(send, recv)
