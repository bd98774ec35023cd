"""Percentiles, where the sample can carry them, and how high they may be.

The rule is MLPerf LoadGen's early-stopping bound: a percentile p may be stated when, at 99 % confidence, a
sample that large would show at least two values beyond it. Below that, a "p99" is the luck of one value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import exp, log, sqrt

import numpy as np
import numpy.typing as npt

from integrator.statistics.interval import CONFIDENCE, needs, runs_needed
from integrator.statistics.resolution import t_quantile

__all__ = ["percentile", "percentile_bound", "samples_needed"]

_CONFIDENCE = 0.99


@cache
def samples_needed(p: float) -> int:
    """The smallest sample that carries the percentile `p` (0 to 1): 64 for p90, 130 for p95, 662 for p99.

    The smallest n with P(Binomial(n, 1 - p) <= 1) <= 0.01.
    """
    beyond = 1 - p
    n = 2
    while p**n + n * beyond * p ** (n - 1) > 1 - _CONFIDENCE:
        n += 1
    return n


def percentile(values: npt.NDArray[np.float64], p: float) -> float | str:
    """The smallest value that at least a share `p` of the values do not exceed, or "needs N more"."""
    missing = samples_needed(p) - values.size
    if missing > 0:
        return f"needs {missing} more"
    return float(np.quantile(values, p, method="inverted_cdf"))


def percentile_bound(
    runs: Sequence[npt.NDArray[np.float64]], p: float, confidence: float = CONFIDENCE
) -> float | str:
    """The upper end of the interval of the percentile `p`: a measured value, the j-th largest of all runs.

    j is the smaller of two numbers. The first takes all values for independent: the largest j with
    P(Binomial(n, 1 - p) >= j) >= c, the exact bound by order statistics; c is (1 + `confidence`) ÷ 2, as for
    one end of any two-sided interval. But values of one run are alike, and a tail may be one run's. So the
    second counts runs, as R. S. Woodruff does ("Confidence intervals for medians and other position
    measures", JASA 47 (1952), 635-646): with q the share of values above the percentile, and e its standard
    error from how much this share differs between runs (a ratio, so longer runs count for more), the share
    is at least q exp(-t e ÷ q), with Student's t of runs - 1 degrees of freedom at c; j is n times that,
    rounded down. It is on the logarithm because a small share cannot fall below 0.

    Args:
        runs: The values of each run.
        p: From 0 to 1.
        confidence: Of the interval; the percentile exceeds what is returned half as often as it misses that.

    Returns:
        The bound, or why there is none: "needs N more" values, "needs N more runs" (6 are asked for, as for
        the interval of a median), or that the runs' tails differ too much.
    """
    values = np.concatenate(runs) if runs else np.empty(0)
    point = percentile(values, p)
    if isinstance(point, str):
        return point
    if (missing := runs_needed(confidence) - len(runs)) > 0:
        return needs(missing)
    one_sided = (1 + confidence) / 2
    j = min(_rank_from_top(values.size, p, one_sided), _rank_by_runs(runs, point, p, one_sided))
    if j < 1:
        return "needs more runs: their slowest inferences differ too much"
    return float(np.partition(values, values.size - j)[values.size - j])


@cache
def _rank_from_top(n: int, p: float, confidence: float) -> int:
    """The largest j with P(Binomial(n, 1 - p) >= j) >= confidence; 0 where there is none."""
    most = int(n * (1 - p)) + 1  # the median of a binomial is at most its mean, rounded up
    k = np.arange(most)
    # log P(k) from log P(0) by the ratio of neighbours, so that nothing overflows.
    steps = np.log((n - k) / (k + 1)) + log((1 - p) / p)
    below = np.cumsum(np.exp(n * log(p) + np.concatenate([[0.0], np.cumsum(steps)])))  # P(Binomial <= k)
    return int(np.count_nonzero(below <= 1 - confidence))


def _rank_by_runs(runs: Sequence[npt.NDArray[np.float64]], point: float, p: float, confidence: float) -> int:
    sizes = np.array([run.size for run in runs], dtype=np.float64)
    above = np.array([np.count_nonzero(run > point) for run in runs], dtype=np.float64)
    n, count = sizes.sum(), len(runs)
    share = above.sum() / n
    if share == 0:  # the percentile is the largest value: ties hide how the runs differ
        return int(n * (1 - p))
    residuals = above - share * sizes
    error = sqrt(count / (count - 1) * float((residuals**2).sum())) / n
    return int(n * share * exp(-t_quantile(confidence, count - 1) * error / share))
