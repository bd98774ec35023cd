"""How well the median of a few runs is known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CONFIDENCE", "Interval", "median_interval", "runs_needed"]

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Both ends, in the unit of the values."""

    low: float
    high: float


def runs_needed(confidence: float = CONFIDENCE) -> int:
    """The fewest runs whose extremes enclose the median that surely: 6 for 95 %, 8 for 99 %.

    All n values lie on one side of the median with probability 2 × 0.5ⁿ.
    """
    return next(n for n in count(1) if 1 - 2.0 ** (1 - n) >= confidence)


def median_interval(
    values: Sequence[float] | npt.NDArray[np.float64], confidence: float = CONFIDENCE
) -> Interval | str:
    """The confidence interval of the median of the population of runs that `values` are drawn from.

    The interval from the d-th smallest to the d-th largest of n values covers the median with probability
    1 - 2 P(Binomial(n, 1/2) < d), whatever the distribution. These probabilities are steps, 96.9 % and 78.1 %
    for n = 6; between the two steps around `confidence` the ends are interpolated as T. P. Hettmansperger
    and S. J. Sheather show in "Confidence intervals based on interpolated order statistics", Statistics &
    Probability Letters 4 (1986), 75-79. The coverage is then near the nominal one for every n and every
    smooth distribution, not for symmetric ones only.

    Args:
        values: One number of each run, all in the same unit.
        confidence: From 0.5 to below 1.

    Returns:
        The interval, or why there is none: "needs N more runs".

    Raises:
        ValueError: `confidence` is out of its range.
    """
    if not 0.5 <= confidence < 1:  # noqa: PLR2004
        raise ValueError(f"a confidence of {confidence} is not from 0.5 to below 1")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = ordered.size
    missing = runs_needed(confidence) - n
    if missing > 0:
        return needs(missing)
    if not np.isfinite(ordered).all():
        return "a run has no finite value"
    depth, share = _depth(n, confidence)
    return Interval(
        low=float((1 - share) * ordered[depth - 1] + share * ordered[depth]),
        high=float((1 - share) * ordered[n - depth] + share * ordered[n - depth - 1]),
    )


def needs(missing: int) -> str:
    """What a cell says that more runs would fill."""
    return f"needs {missing} more run{'s' if missing > 1 else ''}"


@cache
def _depth(n: int, confidence: float) -> tuple[int, float]:
    """The depth d of the wider interval, and how far its ends move towards those of depth d + 1."""
    ways = accumulate(range(n // 2), lambda before, k: before * (n - k) // (k + 1), initial=1)  # n over k
    covered = np.array([1 - 2 * (below / 2**n) for below in accumulate(ways)])  # by depth 1, 2, …
    depth = int(np.count_nonzero(covered >= confidence))
    wider, narrower = covered[depth - 1], max(covered[depth], 0.0)
    step = (wider - confidence) / (wider - narrower)
    return depth, float((n - depth) * step / (depth + (n - 2 * depth) * step))
