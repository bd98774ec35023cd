"""The smallest difference that a machine can resolve, from the scatter of its runs.

Runs of one test differ by a factor, not by a number of milliseconds, so all is computed on logarithms. With
n runs on each side and s the standard deviation of the logarithms of one side's run values, the logarithm of
the ratio of two sides has the standard error

    e = s · √(2 ÷ n)           with f = 2n - 2 degrees of freedom.

At a confidence of 95 % a ratio is told from 1 when its logarithm is more than t(0.975; f) · e away from 0. A
true difference of exactly that size is found in half of all comparisons only. What is found in 90 % of them

    ratio = exp((t(0.975; f) + t(0.90; f)) · e)

is what is called the smallest difference here. (The exact value needs the noncentral t distribution; with
four runs a side and more, what this finds is 90 to 95 %, as the tests simulate.)

s is itself an estimate: with few runs the true scatter may be far larger. Its upper bound at 95 % is
s · √(f ÷ χ²(0.05; f)). The smallest difference with that in place of s bounds the real one from above. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = [
    "CONFIDENCE",
    "MIN_RUNS",
    "POWER",
    "Resolution",
    "resolution",
    "runs_needed",
    "smallest_difference",
    "t_quantile",
]

CONFIDENCE = 0.95
POWER = 0.90
MIN_RUNS = 4
"""Runs on each side from which on the scatter is known well enough to speak of it (within a factor of 2)."""
_MOST_RUNS = 1000
_GRID = 20_001


@dataclass(frozen=True, slots=True)
class Resolution:
    """What two sides of the same test show."""

    runs: int
    """On each side."""
    scatter: float
    """Standard deviation of the logarithms of run values within a side: 0.01 is 1 %."""
    ratio: float
    """Of the medians, B ÷ A."""
    low: float
    high: float
    """The interval of the ratio of the sides' geometric means, at `CONFIDENCE`."""
    smallest: float
    """The smallest difference that is found in `POWER` of all comparisons: 0.02 is 2 %."""
    smallest_at_most: float
    """Its upper bound at 95 %: the scatter is known from these runs alone."""

    @property
    def sides_agree(self) -> bool:
        """Whether the interval holds 1, as it does in 95 % of comparisons of a test with itself."""
        return self.low <= 1.0 <= self.high

    @property
    def sufficient(self) -> bool:
        """Whether the runs are enough to know the scatter, and differ at all."""
        return self.runs >= MIN_RUNS and self.scatter > 0


def resolution(a: Sequence[float], b: Sequence[float]) -> Resolution:
    """Compare the run values (medians, or throughputs) of a test with those of the same test.

    Raises:
        ValueError: fewer than two runs a side, sides of unequal length, or a value that is not positive.
    """
    runs = len(a)
    if runs != len(b) or runs < 2:  # noqa: PLR2004  # a scatter needs two values
        raise ValueError(f"both sides need the same number of runs, at least 2: {len(a)} and {len(b)}")
    if min(*a, *b) <= 0:
        raise ValueError("run values must be positive")
    logs = [np.log(np.asarray(side, dtype=np.float64)) for side in (a, b)]
    freedom = 2 * runs - 2
    scatter = math.sqrt(sum(float(((side - side.mean()) ** 2).sum()) for side in logs) / freedom)
    middle = float(logs[1].mean() - logs[0].mean())
    half = t_quantile((1 + CONFIDENCE) / 2, freedom) * scatter * math.sqrt(2 / runs)
    upper = scatter * math.sqrt(freedom / _chi_square_quantile(1 - CONFIDENCE, freedom))
    return Resolution(
        runs=runs,
        scatter=scatter,
        ratio=float(np.median(b) / np.median(a)),
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        smallest=smallest_difference(scatter, runs),
        smallest_at_most=smallest_difference(upper, runs),
    )


def runs_needed(scatter: float, difference: float) -> int | None:
    """The runs on each side that resolve a difference (0.01 is 1 %); None where 1,000 do not.

    Raises:
        ValueError: the difference is not positive.
    """
    if difference <= 0:
        raise ValueError("the difference must be positive")
    enough = (runs for runs in range(2, _MOST_RUNS + 1) if smallest_difference(scatter, runs) <= difference)
    return next(enough, None)


def smallest_difference(scatter: float, runs: int) -> float:
    """What is found in `POWER` of all comparisons with `runs` on each side; 0.02 is 2 %."""
    freedom = 2 * runs - 2
    quantiles = t_quantile((1 + CONFIDENCE) / 2, freedom) + t_quantile(POWER, freedom)
    return math.expm1(quantiles * scatter * math.sqrt(2 / runs))


@cache
def t_quantile(p: float, freedom: int) -> float:
    """The quantile `p` of Student's t with `freedom` degrees of freedom, to 4 digits for 0.01 ≤ p ≤ 0.99.

    With f the degrees of freedom and t = √f · tan θ, the density of θ is proportional to cos(θ)^(f-1), which
    is added up on a grid.
    """
    # Beyond 12 / √f on either side there is nothing that counts: the grid goes where the density is.
    edge = min(math.pi / 2, 12 / math.sqrt(freedom)) if freedom > 1 else math.pi / 2
    theta = np.linspace(-edge, edge, _GRID)
    density = np.clip(np.cos(theta), 0, None) ** (freedom - 1)
    summed = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(math.sqrt(freedom) * np.tan(np.interp(p, summed / summed[-1], theta)))


@cache
def _chi_square_quantile(p: float, freedom: int) -> float:
    """The quantile `p` of χ², summed on a grid of √x, where the density is smooth at 0 from one degree on."""
    root = np.linspace(0, math.sqrt(freedom) + 8, _GRID)
    with np.errstate(divide="ignore"):
        log_density = (freedom - 1) * np.log(root) - root**2 / 2 if freedom > 1 else -(root**2) / 2
    density = np.exp(log_density - log_density.max())
    summed = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(np.interp(p, summed / summed[-1], root) ** 2)
