"""Percentiles, where the sample can carry them.

The rule is MLPerf LoadGen's early-stopping bound: a percentile p may be stated when, at 99 % confidence, a
sample that large would show at least two values beyond it. Below that, a "p99" is the luck of one value.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["percentile", "samples_needed"]

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
