# SPDX-License-Identifier: Apache-2.0
"""The presence-tax step: launches presence_tax.py and judges what it saw."""

import os
import shutil

from calls import format_bytes
from fabrics import FABRICS
from presence_policy import (
    ARMS,
    EMPTY_POLICY,
    LARGEST_TIMED_BYTES,
    MARKER_BYTES,
    WANTED_RULES,
)
from report import tax_intervals, tax_table
from stats import median
from steps import Verdict

REFERENCE, NULL = ARMS[:2]
WITH_PLUGIN = ARMS[2:]
LAUNCH_LIMIT_S = 150
TAX_LIMIT = 0.01  # of a call's time
FLOOR_REACH = 2  # neighbouring sizes that count towards a size's noise floor
SEPARATE_ROUNDS = 6
SEPARATE_PAIRS = 5


def _copy_images(run, library):
    """One copy of libnccl per arm: another inode is another image."""
    images = os.path.join(run.scratch, "images")
    for arm in ARMS:
        os.makedirs(os.path.join(images, arm))
        shutil.copyfile(library, os.path.join(images, arm, "libnccl.so.2"))
    return images


def judge_check(check):
    """(failures, sizes in bytes where NCCL's own choice is not ring/ll)."""
    arms = check["arms"]
    failures = []
    for arm in ARMS:
        if arms[arm]["names_plugin"] != (arm in WITH_PLUGIN):
            verb = "does not name" if arm in WITH_PLUGIN else "names"
            failures.append(f"the log of arm {arm} {verb} the plugin")
    reference = arms[REFERENCE]["lines"]
    if not reference:
        failures.append(f"arm {REFERENCE} shows no TUNING line")
    for arm in (NULL, "empty"):
        if arms[arm]["lines"] != reference:
            failures.append(f"arm {arm} chooses otherwise than {REFERENCE}")
    own = dict(map(tuple, reference))
    full = dict(map(tuple, arms["full"]["lines"]))
    marker = "/".join(check["marker"])
    if not full.get(MARKER_BYTES, "").startswith(marker + "/"):
        failures.append(
            f"the full policy is not active: {MARKER_BYTES} bytes ran {full.get(MARKER_BYTES)}, "
            f"its rule wants {marker}"
        )
    timed = [size for size in own if size <= LARGEST_TIMED_BYTES]
    other = [size for size in timed if not own[size].startswith("ring/ll/")]
    failures += [
        f"arm full chooses {full.get(size)} at {size} bytes, NCCL {own[size]}"
        for size in timed
        if size not in other and full.get(size) != own[size]
    ]
    return failures, other


def noise_floors(intervals):
    """{(mode, bytes): us}: the most that the null arm shows at that size or FLOOR_REACH sizes on
    either side of it."""
    floors = {}
    for mode in {mode for mode, _, _ in intervals}:
        sizes = sorted(size for m, size, arm in intervals if (m, arm) == (mode, NULL))
        highs = [intervals[mode, size, NULL].high for size in sizes]
        for place, size in enumerate(sizes):
            floors[mode, size] = max(highs[max(0, place - FLOOR_REACH) : place + FLOOR_REACH + 1])
    return floors


def judge_tax(intervals, floors, reference_us, sizes_not_judged):
    """(what is distinguishable, what of it is a failure), as text.

    A tax is distinguishable where an arm's whole interval lies above the noise floor, and a failure
    where it is also more than TAX_LIMIT of the call's time.
    """
    distinguishable, failures = [], []
    for (mode, size, arm), interval in intervals.items():
        if arm not in WITH_PLUGIN or (arm == "full" and size in sizes_not_judged):
            continue
        if interval.low <= floors[mode, size]:
            continue
        text = (
            f"{mode} {format_bytes(size)}: arm {arm} costs {interval.median:+.3f} us "
            f"[{interval.low:+.3f}, {interval.high:+.3f}], noise floor {floors[mode, size]:+.3f}"
        )
        distinguishable.append(text)
        if interval.low > TAX_LIMIT * reference_us[mode, size]:
            failures.append(text)
    return distinguishable, failures


def _time_separately(run, common, fabric, environment):
    """Fresh processes in turn, one arm each; a sample is a launch's median."""
    cells = {}
    for turn in range(SEPARATE_ROUNDS):
        for arm in ARMS if turn % 2 == 0 else reversed(ARMS):
            result, failure = run.launch(
                f"presence-{arm}-{turn}", "presence_tax.py",
                [*common, "--arms", arm, "--pairs", str(SEPARATE_PAIRS)],
                fabric.ranks, environment, LAUNCH_LIMIT_S,
            )
            if failure:
                return None, failure
            for cell in result["timing"]:
                merged = cells.setdefault(
                    (cell["mode"], cell["bytes"]), {**cell, "arms": {a: [] for a in ARMS}}
                )
                merged["arms"][arm].append(median(cell["arms"][arm]))
    return {"timing": list(cells.values()), "rules": result["rules"]}, None


def presence_step(run, separate):
    fabric = FABRICS["tp2-nvlink"]
    images = _copy_images(run, run.machine.nccl_library)
    # Each arm sets its own NCCL_TUNER_PLUGIN and policy; the folder is all they share.
    shared = {"LD_LIBRARY_PATH": run.plugin_environment(EMPTY_POLICY, "apply")["LD_LIBRARY_PATH"]}

    def environment(rank):
        return {**fabric.rank_environment(rank), **shared}

    logs = os.path.join(run.scratch, "presence-logs")
    os.makedirs(logs)
    check, failure = run.launch(
        "presence-check", "presence_tax.py", ["--images", images, "--check", logs], fabric.ranks,
        environment, LAUNCH_LIMIT_S,
    )
    run.report.keep_logs(logs)
    if failure:
        return Verdict([failure], [])
    failures, other_sizes = judge_check(check)
    common = ["--images", images, "--marker", "/".join(check["marker"])]
    if separate:
        timed, failure = _time_separately(run, common, fabric, environment)
    else:
        pairs = run.pairs or (30 if run.depth == "full" else 8)
        timed, failure = run.launch(
            "presence-time", "presence_tax.py", [*common, "--pairs", str(pairs)], fabric.ranks,
            environment, LAUNCH_LIMIT_S,
        )
    if failure:
        return Verdict([*failures, failure], [])

    cells = timed["timing"]
    run.report.samples({"fabric": "presence-tax", **cell} for cell in cells)
    shown = [NULL, *WITH_PLUGIN]
    intervals = tax_intervals(cells, REFERENCE, shown)
    floors = noise_floors(intervals)
    reference_us = {(c["mode"], c["bytes"]): median(c["arms"][REFERENCE]) for c in cells}
    distinguishable, tax_failures = judge_tax(intervals, floors, reference_us, other_sizes)
    pairs = len(cells[0]["arms"][REFERENCE])
    run.report.say(
        f"  {timed['rules']} rules in arm full; {WANTED_RULES} were wanted, an inline policy holds "
        f"no more"
    )
    for mode in dict.fromkeys(cell["mode"] for cell in cells):
        run.report.say(f"  presence tax, {mode}, {pairs} pairs")
        run.report.say(tax_table(cells, mode, REFERENCE, shown, intervals, floors))
    if other_sizes:
        run.report.say(
            "  NCCL's own choice is not ring/ll, so arm full is not judged: "
            + ", ".join(map(format_bytes, other_sizes))
        )
    for text in distinguishable:
        run.report.say(f"  distinguishable: {text}")
    notes = [
        f"{len(distinguishable)} of {len(WITH_PLUGIN) * len(cells)} comparisons above the noise "
        f"floor, {len(tax_failures)} of them by more than {TAX_LIMIT:.0%} of the call"
    ]
    return Verdict(failures + tax_failures, notes)
