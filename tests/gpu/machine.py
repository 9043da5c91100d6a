# SPDX-License-Identifier: Apache-2.0
"""What this machine has: GPUs, torch, and which libnccl files. Looked at from short-lived
processes, so that the test driver itself never touches a GPU."""

import glob
import json
import os
import subprocess
import sys
from dataclasses import dataclass

PROBE_LIMIT_S = 120

_TORCH_PROBE = """
import json
try:
    import torch
except ImportError as error:
    print(json.dumps({"problem": f"torch cannot be imported: {error}"}))
    raise SystemExit
gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
if not gpus:
    print(json.dumps({"problem": "torch sees no CUDA device"}))
    raise SystemExit
torch.cuda.nccl.version()
with open("/proc/self/maps") as maps:
    mapped = {line.split()[-1] for line in maps if "/libnccl.so" in line}
print(json.dumps({
    "gpus": gpus,
    "gpu": torch.cuda.get_device_name(0),
    "torch": torch.__version__,
    "nccl": torch.cuda.nccl.version(),
    "libraries": sorted(mapped),
}))
"""

_VERSION_PROBE = """
import ctypes, json, sys
code = ctypes.c_int()
assert ctypes.CDLL(sys.argv[1]).ncclGetVersion(ctypes.byref(code)) == 0
print(json.dumps([code.value // 10000, code.value // 100 % 100, code.value % 100]))
"""


@dataclass(frozen=True)
class Machine:
    gpus: int
    gpu: str
    torch: str
    nccl: tuple  # version of torch's NCCL
    nccl_library: str  # its file


@dataclass(frozen=True)
class OtherNccl:
    version: tuple
    library: str
    preload_problem: str | None  # why torch cannot run on it, or None


def _probe(code, *arguments, environment=None):
    """The last line of a Python snippet's output as JSON, or text that says what went wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"no answer within {PROBE_LIMIT_S} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        errors = done.stderr.strip().splitlines() or ["no output"]
        return {"problem": f"exit code {done.returncode}: {errors[-1]}"}
    return json.loads(lines[-1])


def look():
    """(Machine, None) or (None, why not)."""
    found = _probe(_TORCH_PROBE)
    if "problem" in found:
        return None, found["problem"]
    if len(found["libraries"]) != 1:
        return None, f"torch maps {len(found['libraries'])} files named libnccl.so, not one"
    return (
        Machine(
            gpus=found["gpus"],
            gpu=found["gpu"],
            torch=found["torch"],
            nccl=tuple(found["nccl"][:3]),
            nccl_library=found["libraries"][0],
        ),
        None,
    )


def _installed_libraries():
    folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/lib", "/usr/local/nccl/lib"]
    paths = [path for folder in folders for path in glob.glob(f"{folder}/libnccl.so.2*")]
    try:
        cache = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False)
        paths += [
            line.split(" => ")[-1] for line in cache.stdout.splitlines() if "libnccl.so.2" in line
        ]
    except OSError:
        pass  # no ldconfig here; the folders above remain
    return sorted({os.path.realpath(path) for path in paths})


def find_other_nccl(machine, path=None):
    """(OtherNccl, None), or (None, why there is none): an NCCL of another version than torch's."""
    candidates = [path] if path else _installed_libraries()
    seen = []
    for library in candidates:
        version = _probe(_VERSION_PROBE, library)
        if isinstance(version, dict):
            seen.append(f"{library}: {version['problem']}")
        elif tuple(version) == machine.nccl:
            seen.append(f"{library}: the same version")
        else:
            preloaded = _probe(_TORCH_PROBE, environment={"LD_PRELOAD": library})
            problem = preloaded.get("problem")
            if problem is None and tuple(preloaded["nccl"][:3]) != tuple(version):
                problem = f"torch still uses NCCL {preloaded['nccl']}"
            return OtherNccl(tuple(version), library, problem), None
    return None, "; ".join(seen) or "no libnccl.so.2 outside torch's"
