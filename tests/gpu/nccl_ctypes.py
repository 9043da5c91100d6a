# SPDX-License-Identifier: Apache-2.0
"""NCCL through ctypes. PyncclClient calls it as vLLM's pynccl does.

One communicator per process and GPU, made by ncclCommInitRank without a config under the GPU's
device; the unique id travels outside NCCL; one all-reduce of a single float as warm-up; all-reduces
out of place; everything on torch's current stream.
"""

import contextlib
import ctypes
import os

import torch

UNIQUE_ID_BYTES = 128
NCCL_IN_PROGRESS = 7  # a result
NCCL_FLOAT32 = 7
NCCL_BFLOAT16 = 9
NCCL_SUM = 0
_DTYPES = {torch.float32: NCCL_FLOAT32, torch.bfloat16: NCCL_BFLOAT16}


class UniqueId(ctypes.Structure):
    """ncclUniqueId; passed by value."""

    _fields_ = [("internal", ctypes.c_byte * UNIQUE_ID_BYTES)]


class NcclError(RuntimeError):
    pass


class Config(ctypes.Structure):
    """ncclConfig_t as of NCCL 2.18, which later releases accept; all but `blocking` left open."""

    _OPEN_INT = -(2**31)
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("magic", ctypes.c_uint),
        ("version", ctypes.c_uint),
        ("blocking", ctypes.c_int),
        ("cga_cluster_size", ctypes.c_int),
        ("min_ctas", ctypes.c_int),
        ("max_ctas", ctypes.c_int),
        ("net_name", ctypes.c_char_p),
        ("split_share", ctypes.c_int),
    ]

    @classmethod
    def non_blocking(cls):
        left_open = cls._OPEN_INT
        return cls(
            ctypes.sizeof(cls), 0xCAFEBEEF, 21800, 0, left_open, left_open, left_open, None, left_open
        )


_POINTER = ctypes.c_void_p
_SIGNATURES = {
    "ncclGetVersion": [ctypes.POINTER(ctypes.c_int)],
    "ncclGetUniqueId": [ctypes.POINTER(UniqueId)],
    "ncclCommInitRank": [ctypes.POINTER(_POINTER), ctypes.c_int, UniqueId, ctypes.c_int],
    "ncclCommInitRankConfig": [
        ctypes.POINTER(_POINTER), ctypes.c_int, UniqueId, ctypes.c_int, ctypes.POINTER(Config),
    ],
    # communicators, number of devices, devices
    "ncclCommInitAll": [ctypes.POINTER(_POINTER), ctypes.c_int, ctypes.POINTER(ctypes.c_int)],
    # parent, color, key, child, config
    "ncclCommSplit": [
        _POINTER, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_POINTER), ctypes.POINTER(Config),
    ],
    # parent, excluded ranks, their number, child, config, flags
    "ncclCommShrink": [
        _POINTER, ctypes.POINTER(ctypes.c_int), ctypes.c_int, ctypes.POINTER(_POINTER),
        ctypes.POINTER(Config), ctypes.c_int,
    ],
    "ncclCommGetAsyncError": [_POINTER, ctypes.POINTER(ctypes.c_int)],
    "ncclCommDestroy": [_POINTER],
    "ncclGroupStart": [],
    "ncclGroupEnd": [],
    # send, recv, count, type, op, communicator, stream
    "ncclAllReduce": [
        _POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, _POINTER, _POINTER,
    ],
    # send, recv, per-rank count, type, communicator, stream
    "ncclAllGather": [_POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, _POINTER, _POINTER],
    # send, recv, per-rank count, type, op, communicator, stream
    "ncclReduceScatter": [
        _POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, _POINTER, _POINTER,
    ],
    # send, recv, count, type, root, communicator, stream
    "ncclBroadcast": [
        _POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, _POINTER, _POINTER,
    ],
    # send, recv, count, type, op, root, communicator, stream
    "ncclReduce": [
        _POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, _POINTER,
        _POINTER,
    ],
    # buffer, count, type, peer, communicator, stream
    "ncclSend": [_POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, _POINTER, _POINTER],
    "ncclRecv": [_POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, _POINTER, _POINTER],
}


class NcclLibrary:
    """One image of libnccl, by path. Files with different inodes are different images."""

    def __init__(self, path):
        self.path = path
        # DEEPBIND: where torch put another libnccl into the global scope, this image still calls
        # its own functions.
        self._library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
        self._functions = {}
        for name, argument_types in _SIGNATURES.items():
            function = getattr(self._library, name, None)
            if function is None:
                continue  # ncclCommShrink is of NCCL 2.27
            function.argtypes = argument_types
            function.restype = ctypes.c_int
            self._functions[name] = function
        self._library.ncclGetErrorString.argtypes = [ctypes.c_int]
        self._library.ncclGetErrorString.restype = ctypes.c_char_p
        self._library.ncclGetLastError.argtypes = [_POINTER]
        self._library.ncclGetLastError.restype = ctypes.c_char_p

    def call(self, name, *arguments, in_progress=False):
        """Raises NcclError unless the function succeeds (or, where that is allowed, is under way)."""
        code = self._functions[name](*arguments)
        if code != 0 and not (in_progress and code == NCCL_IN_PROGRESS):
            text = self._library.ncclGetErrorString(code).decode()
            last = (self._library.ncclGetLastError(None) or b"").decode()
            raise NcclError(f"{name}: {text} ({code}) {last}")

    def version(self):
        """(major, minor, patch)"""
        code = ctypes.c_int()
        self.call("ncclGetVersion", ctypes.byref(code))
        return code.value // 10000, code.value // 100 % 100, code.value % 100

    def unique_id(self):
        identifier = UniqueId()
        self.call("ncclGetUniqueId", ctypes.byref(identifier))
        return bytes(identifier)


class NcclClient:
    """The calls on a communicator, which it owns."""

    inplace = False  # send and receive buffers differ

    def __init__(self, library, communicator, blocking=True):
        self._library = library
        self._communicator = communicator
        self._blocking = blocking

    @property
    def handle(self):
        return self._communicator

    def _call(self, name, *arguments):
        self._library.call(name, *arguments, in_progress=not self._blocking)
        if not self._blocking:
            self.await_success()

    def await_success(self):
        """What a non-blocking communicator was asked for is done."""
        state = ctypes.c_int(NCCL_IN_PROGRESS)
        while state.value == NCCL_IN_PROGRESS:
            self._library.call("ncclCommGetAsyncError", self._communicator, ctypes.byref(state))
        if state.value != 0:
            raise NcclError(f"asynchronous error {state.value}")

    def allreduce(self, send, recv):
        self._call(
            "ncclAllReduce", send.data_ptr(), recv.data_ptr(), send.numel(), _DTYPES[send.dtype],
            NCCL_SUM, self._communicator, torch.cuda.current_stream().cuda_stream,
        )

    def allgather(self, send, recv):
        self._call(
            "ncclAllGather", send.data_ptr(), recv.data_ptr(), send.numel(), _DTYPES[send.dtype],
            self._communicator, torch.cuda.current_stream().cuda_stream,
        )

    def reducescatter(self, send, recv):
        self._call(
            "ncclReduceScatter", send.data_ptr(), recv.data_ptr(), recv.numel(),
            _DTYPES[send.dtype], NCCL_SUM, self._communicator,
            torch.cuda.current_stream().cuda_stream,
        )

    def broadcast(self, send, recv, root):
        self._call(
            "ncclBroadcast", send.data_ptr(), recv.data_ptr(), recv.numel(), _DTYPES[send.dtype],
            root, self._communicator, torch.cuda.current_stream().cuda_stream,
        )

    def reduce(self, send, recv, root):
        self._call(
            "ncclReduce", send.data_ptr(), recv.data_ptr(), send.numel(), _DTYPES[send.dtype],
            NCCL_SUM, root, self._communicator, torch.cuda.current_stream().cuda_stream,
        )

    def send(self, send, peer):
        self._call(
            "ncclSend", send.data_ptr(), send.numel(), _DTYPES[send.dtype], peer,
            self._communicator, torch.cuda.current_stream().cuda_stream,
        )

    def recv(self, recv, peer):
        self._call(
            "ncclRecv", recv.data_ptr(), recv.numel(), _DTYPES[recv.dtype], peer,
            self._communicator, torch.cuda.current_stream().cuda_stream,
        )

    @contextlib.contextmanager
    def group(self):
        """Calls inside are issued together at the end."""
        self._library.call("ncclGroupStart")
        yield
        self._library.call("ncclGroupEnd")

    def destroy(self):
        torch.cuda.synchronize()
        self._library.call(
            "ncclCommDestroy", self._communicator, in_progress=not self._blocking
        )


class PyncclClient(NcclClient):
    """A communicator over all ranks of a session."""

    def __init__(self, library, session):
        identifier = session.from_rank0(library.unique_id() if session.rank == 0 else None)
        super().__init__(library, _POINTER())
        with torch.cuda.device(session.device):
            library.call(
                "ncclCommInitRank",
                ctypes.byref(self._communicator),
                session.ranks,
                UniqueId.from_buffer_copy(identifier),
                session.rank,
            )
            one = torch.ones(1, dtype=torch.float32, device=session.device)
            total = torch.empty_like(one)
            self.allreduce(one, total)
            torch.cuda.synchronize()
        if total.item() != session.ranks:
            raise NcclError(f"warm-up all-reduce gave {total.item()}, expected {session.ranks}")
