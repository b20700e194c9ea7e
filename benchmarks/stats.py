"""The few statistics that the table needs.

Laws:
- Runs of one round stand side by side in time, so ratios and differences are taken within a round, and
  the median of these counts: what slows the whole machine for a while cancels out.
- Every median comes with a distribution-free interval: the order statistics that enclose the true median
  with at least 90% probability (the sign test's interval; Conover, Practical Nonparametric Statistics).
- A budget is exceeded when the median is above it and the whole interval is; with only the median above,
  the verdict is ``unclear``: more runs are needed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.90
OK, UNCLEAR, OVER, NO_BUDGET = "ok", "unclear", "OVER", ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a row says of its samples; ``spread`` is the range as a share of the median."""

    median: float
    low: float
    high: float
    minimum: float
    spread: float


def summarise(samples: Sequence[float]) -> Summary:
    """Median, its interval, minimum and spread. At least one sample."""
    ordered = sorted(samples)
    median = statistics.median(ordered)
    outside = _outside(len(ordered))
    return Summary(
        median=median,
        low=ordered[outside],
        high=ordered[-1 - outside],
        minimum=ordered[0],
        spread=(ordered[-1] - ordered[0]) / abs(median) if median else 0.0,
    )


def _outside(count: int) -> int:
    """How many samples the interval may leave out at each end; with fewer than five it is the range."""
    outside, tail = -1, 0.0
    while True:
        tail += math.comb(count, outside + 1) / 2**count
        if 1 - 2 * tail < CONFIDENCE:
            return max(0, outside)
        outside += 1


def ratios(subject: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round."""
    return [of / to for of, to in zip(subject, base, strict=True)]


def differences(subject: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round."""
    return [of - to for of, to in zip(subject, base, strict=True)]


def judge(summary: Summary, budget: float | None) -> str:
    """The verdict on a row."""
    if budget is None:
        return NO_BUDGET
    if summary.median <= budget:
        return OK
    return OVER if summary.low > budget else UNCLEAR
