# SPDX-License-Identifier: Apache-2.0
"""Statistics of paired samples: medians with bootstrap intervals, and what they are called.

Pure Python and seeded: the same samples always give the same interval.
"""

import random
from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 1000
REGRESSION_BELOW = 0.98  # design.md: a regression is a whole interval below this ratio


@dataclass(frozen=True)
class Interval:
    """A median with the percentile-bootstrap interval around it."""

    median: float
    low: float
    high: float
    samples: int


def median(values):
    ordered = sorted(values)
    if not ordered:
        raise ValueError("median of no values")
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def percentile(ordered, fraction):
    """The value at `fraction` (0..1) of a sorted list, linear between neighbours."""
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    weight = position - below
    return ordered[below] * (1 - weight) + ordered[above] * weight


def bootstrap_median(values, seed, resamples=RESAMPLES, confidence=CONFIDENCE):
    """Median of `values` and its percentile-bootstrap interval."""
    generator = random.Random(seed)
    medians = sorted(
        median(generator.choices(values, k=len(values))) for _ in range(resamples)
    )
    tail = (1 - confidence) / 2
    return Interval(
        median=median(values),
        low=percentile(medians, tail),
        high=percentile(medians, 1 - tail),
        samples=len(values),
    )


def _check_pairs(first, second):
    if len(first) != len(second) or not first:
        raise ValueError(f"not pairs: {len(first)} against {len(second)} samples")


def paired_difference(reference_us, other_us, seed):
    """Interval of other - reference over pairs, in microseconds."""
    _check_pairs(reference_us, other_us)
    return bootstrap_median([o - r for r, o in zip(reference_us, other_us)], seed)


def bootstrap_launches(launches, seed, resamples=RESAMPLES, confidence=CONFIDENCE):
    """Median of all values, and an interval that resamples launches first, then values in each.

    A communicator is a few per cent faster or slower than its twin for as long as it lives, so the
    values of one launch are not independent: more pairs make a launch more certain of its own
    communicators, and only more launches say something of the next one.
    """
    generator = random.Random(seed)

    def one_median():
        chosen = generator.choices(launches, k=len(launches))
        return median([v for one in chosen for v in generator.choices(one, k=len(one))])

    medians = sorted(one_median() for _ in range(resamples))
    tail = (1 - confidence) / 2
    everything = [value for one in launches for value in one]
    return Interval(
        median=median(everything),
        low=percentile(medians, tail),
        high=percentile(medians, 1 - tail),
        samples=len(everything),
    )


def launch_ratio(default_us, other_us, seed):
    """Interval of default/other over launches of pairs: above 1 means the other arm is faster."""
    _check_pairs(default_us, other_us)
    for first, second in zip(default_us, other_us):
        _check_pairs(first, second)
    ratios = [[d / o for d, o in zip(*both)] for both in zip(default_us, other_us)]
    return bootstrap_launches(ratios, seed)


def judge(interval):
    if interval.high < REGRESSION_BELOW:
        return "regression"
    if interval.low > 1.0:
        return "win"
    return "same"


def judge_cell(cell):
    """(tuned interval, null interval, verdict) of one timed call, whose arms hold a list of times
    per launch."""
    seed = f"{cell['collective']} {cell['bytes']} {cell['mode']}"
    arms = cell["arms"]
    tuned = launch_ratio(arms["default"], arms["tuned"], seed)
    null = launch_ratio(arms["default"], arms["null"], seed + " null")
    return tuned, null, judge(tuned)
