# SPDX-License-Identifier: Apache-2.0
"""What NCCL and the plugin write to NCCL_DEBUG_FILE."""

import os
import re

import torch

_ACTIVATION = re.compile(r"VERNIER/Tuner: (vernier .*, reason ([a-z-]+).*)")


class NcclLog:
    """Reads what NCCL appended to this process's log since the last look."""

    def __init__(self):
        self._path = os.environ["NCCL_DEBUG_FILE"]
        self._position = 0

    def read_new(self):
        torch.cuda.synchronize()
        with open(self._path, "rb") as file:
            file.seek(self._position)
            text = file.read()
        self._position += len(text)
        return text.decode(errors="replace")


def activations(text):
    """(reason, whole line) of each communicator that the plugin reports in a log."""
    return [(match[2], match[1]) for match in _ACTIVATION.finditer(text)]
