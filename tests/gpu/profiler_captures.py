#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Worker: torch captures graphs in its usual (global) mode, in which a CUDA call of another thread
that takes part in the capture ends it with an error. Prints how many succeeded."""

import argparse
import os
import sys

import torch

from session import Session
from torch_client import TorchClient

GRAPHS = 50
CALLS = 40  # of a graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--result", required=True)
    parser.parse_args()
    session = Session()
    client = TorchClient(session)
    buffer = torch.ones(4096, dtype=torch.bfloat16, device=session.device)
    done = []
    try:
        for _ in range(GRAPHS):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(CALLS):
                    client.allreduce(buffer, buffer)
            graph.replay()
            torch.cuda.synchronize()
            done.append(graph)
    except RuntimeError as error:
        print(f"captured {len(done)} of {GRAPHS}, then: {str(error).splitlines()[0]}", flush=True)
        os._exit(3)  # nothing of CUDA or NCCL can be relied on
    print(f"captured {len(done)} of {GRAPHS}", flush=True)
    for graph in done:
        graph.reset()  # or the end of the communicator would wait for it
    session.close()


if __name__ == "__main__":
    sys.exit(main())
