# SPDX-License-Identifier: Apache-2.0
"""Tables for people, and the raw samples, in the output folder: few files, written as the run goes.

report.txt has everything that is printed and the full tables; samples.jsonl.gz one line per call
and mode with every pair's time; targets.jsonl one line per target; logs.txt.gz the workers' and
NCCL's logs.
"""

import gzip
import json
import os
import time
from dataclasses import dataclass

from calls import COLLECTIVES, format_bytes
from stats import judge, judge_cell, median, paired_difference


class Report:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self._folder = folder
        self._started_s = time.monotonic()
        for name in ("report.txt", "samples.jsonl.gz", "targets.jsonl", "logs.txt.gz"):
            if os.path.exists(self._path(name)):  # of an earlier run
                os.remove(self._path(name))

    def _path(self, name):
        return os.path.join(self._folder, name)

    def elapsed_s(self):
        return time.monotonic() - self._started_s

    def detail(self, text):
        """Into the report only."""
        with open(self._path("report.txt"), "a") as file:
            file.write(text if text.endswith("\n") else text + "\n")

    def say(self, text):
        """Printed, and into the report."""
        print(text, flush=True)
        self.detail(text)

    def progress(self, text):
        self.say(f"[{self.elapsed_s():6.1f} s] {text}")

    def samples(self, rows):
        # Gzip members may follow one another in a file, so each step adds its own.
        with gzip.open(self._path("samples.jsonl.gz"), "at") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")

    def targets(self, rows):
        with open(self._path("targets.jsonl"), "a") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")

    def keep_logs(self, folder):
        with gzip.open(self._path("logs.txt.gz"), "at") as kept:
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, errors="replace") as log:
                        kept.write(f"==== {name}\n{log.read()}\n")


def _in_order(cells):
    return sorted(cells, key=lambda c: (COLLECTIVES.index(c["collective"]), c["bytes"]))


RATIO_HEADER = (
    f"{'collective':<14}{'bytes':>9}{'default us':>12}{'tuned us':>10}"
    f"{'default/tuned':>15}{'95 % interval':>17}{'null':>7}{'95 % interval':>17}  verdict"
)


@dataclass(frozen=True)
class RatioRow:
    name: str
    verdict: str
    null_verdict: str
    ruled: bool
    text: str


def _all_times(launches):
    return [time_us for launch in launches for time_us in launch]


def ratio_rows(cells, rule_of_call):
    """A RatioRow per cell."""
    rows = []
    for cell in _in_order(cells):
        tuned, null, verdict = judge_cell(cell)
        rule = rule_of_call(cell["collective"], cell["bytes"])
        default_us, tuned_us = (median(_all_times(cell["arms"][a])) for a in ("default", "tuned"))
        text = (
            f"{cell['collective']:<14}{format_bytes(cell['bytes']):>9}"
            f"{default_us:>12.2f}{tuned_us:>10.2f}"
            f"{tuned.median:>15.3f}   [{tuned.low:.3f}, {tuned.high:.3f}]"
            f"{null.median:>7.3f}   [{null.low:.3f}, {null.high:.3f}]  {verdict}"
            f"{'' if rule is None else f' (rule {rule + 1})'}"
        )
        name = " ".join(
            (cell["client"], cell["mode"], cell["collective"], format_bytes(cell["bytes"]))
        )
        rows.append(RatioRow(name, verdict, judge(null), rule is not None, text))
    return rows


def tax_intervals(cells, reference, arms):
    """{(mode, bytes, arm): interval of arm - reference in microseconds}"""
    return {
        (cell["mode"], cell["bytes"], arm): paired_difference(
            cell["arms"][reference], cell["arms"][arm], f"{cell['mode']} {cell['bytes']} {arm}"
        )
        for cell in cells
        for arm in arms
    }


def tax_table(cells, mode, reference, arms, intervals, floors):
    lines = [
        f"{'bytes':>9}{reference + ' us':>12}"
        + "".join(f"{arm + ' -':>9}{'95 % interval':>19}" for arm in arms)
        + f"{'floor':>9}"
    ]
    for cell in cells:
        if cell["mode"] != mode:
            continue
        text = f"{format_bytes(cell['bytes']):>9}{median(cell['arms'][reference]):>12.2f}"
        for arm in arms:
            interval = intervals[mode, cell["bytes"], arm]
            bounds = f"[{interval.low:+.3f}, {interval.high:+.3f}]"
            text += f"{interval.median:>+9.3f}{bounds:>19}"
        lines.append(f"{text}{floors[mode, cell['bytes']]:>+9.3f}")
    return "\n".join(lines)

