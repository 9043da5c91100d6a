#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: one rank that creates a communicator, and nothing else.

    one_communicator.py LIBNCCL RANK RANKS ID_FILE

Rank 0 writes the id. Exit 0 where the communicator came, 1 where NCCL gave up.
"""

import ctypes
import os
import pathlib
import sys
import time

import torch

from nccl_ctypes import NcclError, NcclLibrary, UniqueId


def main():
    path, rank, ranks, file = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.cuda.set_device(rank)
    torch.cuda.synchronize()
    library = NcclLibrary(path)
    id_file = pathlib.Path(file)
    if rank == 0:
        pathlib.Path(file + ".new").write_bytes(library.unique_id())
        os.replace(file + ".new", file)
    while not id_file.exists():
        time.sleep(0.001)
    identifier = UniqueId.from_buffer_copy(id_file.read_bytes())
    handle = ctypes.c_void_p()
    try:
        library.call("ncclCommInitRank", ctypes.byref(handle), ranks, identifier, rank)
    except NcclError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
