# SPDX-License-Identifier: Apache-2.0
"""Instructions by callgrind: counts repeat exactly on a noisy machine."""
import re
import subprocess
import sys


def instructions(function, binary, *arguments, at_least, at_start=True):
    """What `function` (a pattern of callgrind) and all it calls execute in a run of `binary`; unless
    `at_start`, from where the binary asks for it on."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         f"--toggle-collect={function}", f"--instr-atstart={'yes' if at_start else 'no'}",
         binary, *map(str, arguments)],
        capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", run.stderr)
    # Nothing collected would mean that the function went by another name.
    if run.returncode != 0 or not found or int(found.group(1)) < at_least:
        sys.exit(f"callgrind failed on {binary}:\n{run.stderr}")
    return int(found.group(1))
