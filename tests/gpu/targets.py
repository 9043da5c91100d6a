# SPDX-License-Identifier: Apache-2.0
"""What the calibrated policies are meant to reach through the shipped plugin, and whether they did.

A goal is a geometric mean of default/tuned over all power-of-two sizes of a range, in graphs. No
size may be left out: one that was not timed makes the outcome unknown, not smaller. A missed target
is a finding about the policy and no failed check.
"""

import math
import random
from dataclasses import asdict, dataclass

from calls import KIB, MIB, format_bytes
from report import ratio_rows
from stats import CONFIDENCE, REGRESSION_BELOW, RESAMPLES, median, percentile

CLIENT = "pynccl"


@dataclass(frozen=True)
class Target:
    fabric: str
    collective: str
    sizes: tuple
    wanted: float
    hoped: float | None = None

    @property
    def name(self):
        ends = dict.fromkeys((self.sizes[0], self.sizes[-1]))
        return f"{self.fabric} {self.collective} {' to '.join(map(format_bytes, ends))}"


def _powers(first, last):
    return tuple(first << i for i in range((last // first).bit_length()))


TARGETS = (
    Target("2x1-tcp", "allreduce", _powers(1 * KIB, 512 * KIB), wanted=1.15, hoped=1.25),
    Target("4x1-tcp", "allgather", _powers(32 * KIB, 512 * KIB), wanted=1.3),
    Target("tp4-nvlink", "allgather", (4 * MIB,), wanted=1.2),
)


@dataclass(frozen=True)
class Outcome:
    """`status` is reached, missed or unknown; `detail` says of what the value is."""

    name: str
    status: str
    value: float | None
    low: float | None
    high: float | None
    detail: str

    def text(self):
        if self.low is None:
            return f"target {self.name}: {self.status}: {self.detail}"
        interval = f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
        return f"target {self.name}: {self.status}: {interval}, {self.detail}"

    def row(self):
        return asdict(self)


def geometric_mean(cells, seed, resamples=RESAMPLES, confidence=CONFIDENCE):
    """(value, low, high) of the geometric mean over cells of each cell's median ratio. The interval
    resamples launches, the same for all cells, because one launch's communicators make all of its
    calls; then pairs."""
    generator = random.Random(seed)
    logs = [  # [cell][launch][pair]
        [
            [math.log(d / t) for d, t in zip(*both)]
            for both in zip(cell["arms"]["default"], cell["arms"]["tuned"])
        ]
        for cell in cells
    ]
    launches = len(logs[0])

    def one_mean():
        chosen = generator.choices(range(launches), k=launches)
        medians = [
            median([v for i in chosen for v in generator.choices(cell[i], k=len(cell[i]))])
            for cell in logs
        ]
        return sum(medians) / len(medians)

    value = sum(median([v for one in cell for v in one]) for cell in logs) / len(logs)
    means = sorted(one_mean() for _ in range(resamples))
    tail = (1 - confidence) / 2
    bounds = (percentile(means, tail), percentile(means, 1 - tail))
    return tuple(math.exp(x) for x in (value, *bounds))


def judge_target(target, timing):
    """`timing`: cells whose arms hold a list of times per launch."""
    wanted = f"wanted {target.wanted}"
    if target.hoped is not None:
        wanted += f", hoped {target.hoped}"
    by_size = {
        cell["bytes"]: cell
        for cell in timing
        if (cell["client"], cell["mode"], cell["collective"])
        == (CLIENT, "graph", target.collective)
    }
    cells = [by_size[size] for size in target.sizes if size in by_size]
    launches = {len(cell["arms"]["default"]) for cell in cells}
    if len(cells) != len(target.sizes) or len(launches) != 1:
        detail = f"{len(cells)} of {len(target.sizes)} sizes were timed in every launch, {wanted}"
        return Outcome(target.name, "unknown", None, None, None, detail)
    value, low, high = geometric_mean(cells, target.name)
    status = "reached" if value >= target.wanted else "missed"
    return Outcome(target.name, status, value, low, high, wanted)


def judge_regressions(fabric, rows):
    """`rows`: report.RatioRow of every timed call, client and mode."""
    found = [row for row in rows if row.verdict == "regression"]
    ruled = [row for row in found if row.ruled]
    by_chance = sum(row.null_verdict == "regression" for row in rows)
    detail = (
        f"{len(found)} of {len(rows)} calls below {REGRESSION_BELOW}, {len(ruled)} of them where a "
        f"rule is; {by_chance} in the null arm"
    )
    if found:
        # Those with a rule first: elsewhere both arms run the same.
        names = [f"{row.name}{' (rule)' if row.ruled else ''}" for row in ruled]
        names += [row.name for row in found if not row.ruled]
        detail += ": " + "; ".join(names[:6]) + ("; ..." if len(names) > 6 else "")
    status = "missed" if found else "reached" if rows else "unknown"
    return Outcome(f"{fabric} no regression", status, float(len(found)), None, None, detail)


def judge_all(fabric, timing, rows):
    outcomes = [judge_target(target, timing) for target in TARGETS if target.fabric == fabric]
    return [*outcomes, judge_regressions(fabric, rows)]


def target_lines(fabric, timing, rule_of_call):
    """The outcomes as text, from stored samples."""
    return [one.text() for one in judge_all(fabric, timing, ratio_rows(timing, rule_of_call))]
