"""`compare` for many pairs of tests at once: the same numbers by the same rule, without a loop over tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from integrator.statistics.compare import BAND, Outcome, missing_runs, rank
from integrator.statistics.interval import CONFIDENCE

__all__ = ["OUTCOMES", "Comparisons", "RunValues", "compare_many"]

OUTCOMES = tuple(Outcome)
"""`Comparisons.outcome` counts in this order."""
_AT_ONCE = 4_000_000
"""Ratios that are held in memory at a time: 32 MB."""

_Floats = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RunValues:
    """A number of each run of several tests, those of one test side by side."""

    values: _Floats
    starts: _Places
    """Where each test begins in `values`."""
    counts: _Places
    """How many runs each has; it may have none."""

    @classmethod
    def of(cls, values: _Floats, tests: _Places, size: int) -> RunValues:
        """Of runs in any order; `tests` says of each which test it is of, from 0 to below `size`."""
        order = np.argsort(tests, kind="stable")
        counts = np.bincount(tests, minlength=size).astype(np.int64)
        return cls(values[order], np.concatenate([[0], np.cumsum(counts)])[:-1].astype(np.int64), counts)

    def take(self, tests: _Places) -> RunValues:
        """Those of some tests, in that order."""
        return RunValues(self.values, self.starts[tests], self.counts[tests])


@dataclass(frozen=True, slots=True)
class Comparisons:
    """One for each pair. NaN where a number cannot be computed."""

    outcome: npt.NDArray[np.int8]
    """Place in `OUTCOMES`."""
    ratio: _Floats
    """Second ÷ first."""
    low: _Floats
    """The interval of the ratio, at 95 %."""
    high: _Floats


def compare_many(
    first: RunValues,
    second: RunValues,
    *,
    higher_is_faster: bool = False,
    band: float = BAND,
    confidence: float = CONFIDENCE,
) -> Comparisons:
    """Compare each test of `first` with the test of `second` at the same place, as `compare` does.

    Pairs with as many runs are computed together. A test without runs is compared with nothing: inconclusive.
    """
    size = first.counts.size
    ratio, low, high = (np.full(size, np.nan) for _ in range(3))
    logs = [_logs(each.values) for each in (first, second)]
    pairs = first.counts * (int(second.counts.max(initial=0)) + 1) + second.counts
    pairs[(first.counts == 0) | (second.counts == 0)] = -1
    for pair in np.unique(pairs[pairs >= 0]).tolist():
        alike = np.flatnonzero(pairs == pair)
        n, m = int(first.counts[alike[0]]), int(second.counts[alike[0]])
        place = 0 if missing_runs(n, m, confidence) else rank(n, m, confidence)
        step = max(1, _AT_ONCE // (n * m))
        for begin in range(0, alike.size, step):
            here = alike[begin : begin + step]
            a = logs[0][first.starts[here][:, None] + np.arange(n)]
            b = logs[1][second.starts[here][:, None] + np.arange(m)]
            ratios = np.sort((b[:, None, :] - a[:, :, None]).reshape(here.size, n * m), axis=1)
            ratios[~np.isfinite(ratios).all(axis=1)] = np.nan
            ratio[here] = np.exp(np.median(ratios, axis=1))
            if place:
                low[here], high[here] = np.exp(ratios[:, place - 1]), np.exp(ratios[:, -place])
    return Comparisons(_outcomes(low, high, higher_is_faster, band), ratio, low, high)


def _logs(values: _Floats) -> _Floats:
    """NaN for what is no positive finite number."""
    good = np.isfinite(values) & (values > 0)
    return np.log(values, where=good, out=np.full(values.shape, np.nan))


def _outcomes(low: _Floats, high: _Floats, higher_is_faster: bool, band: float) -> npt.NDArray[np.int8]:
    """The rule of `compare`; comparisons with NaN are false, so what is unknown stays inconclusive."""
    above, below = (Outcome.FASTER, Outcome.SLOWER) if higher_is_faster else (Outcome.SLOWER, Outcome.FASTER)
    found = np.full(low.shape, OUTCOMES.index(Outcome.INCONCLUSIVE), dtype=np.int8)
    found[low > 1] = OUTCOMES.index(above)
    found[high < 1] = OUTCOMES.index(below)
    found[(low >= 1 / (1 + band)) & (high <= 1 + band)] = OUTCOMES.index(Outcome.EQUIVALENT)
    return found
