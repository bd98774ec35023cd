"""Whether one test is faster than another: a ratio with its interval, and a word for it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from math import comb, exp, log, pi, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from integrator.statistics.interval import CONFIDENCE, Interval

__all__ = [
    "BAND",
    "Comparison",
    "GeometricMean",
    "Outcome",
    "compare",
    "decide",
    "geometric_mean",
    "mean_by_group",
    "mean_of_ratios",
    "missing_runs",
    "rank",
    "student",
]

BAND = 0.02
"""Ratios from 1 ÷ 1.02 to 1.02 are too near to 1 to matter."""
_EXACT_BELOW = 1 << 62
"""Ways to order two samples that whole numbers of 64 bits can count: up to 32 runs against 32."""

_Values = Sequence[float] | npt.NDArray[np.float64]


class Outcome(StrEnum):
    """What is known of the second of two tests, seen from the first."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tests. What cannot be computed is None, never 1 and never 0."""

    outcome: Outcome
    reason: str
    """One sentence: what the outcome rests on, or what is missing."""
    ratio: float | None
    """Second ÷ first."""
    interval: Interval | None
    """Of the ratio, at 95 %."""


@dataclass(frozen=True, slots=True)
class GeometricMean:
    """The ratios of several configurations in one number."""

    ratio: float | None
    interval: Interval | None
    reason: str
    """Why a number is None; empty where none is."""
    known: int
    """Configurations with a ratio: all that the mean is of."""
    of: int
    """Configurations that were compared."""

    @property
    def coverage(self) -> str:
        """How many of the configurations the mean stands for, as "7/9"."""
        return f"{self.known}/{self.of}"


def compare(
    first: _Values,
    second: _Values,
    *,
    higher_is_faster: bool = False,
    band: float = BAND,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two tests by one number of each of their runs.

    The ratio is the Hodges-Lehmann estimate on the logarithms: the median of all ratios of a run of the
    second test to a run of the first. Its interval are two of these ratios, at the ranks that the exact null
    distribution of the Mann-Whitney statistic gives (Hollander, Wolfe & Chicken, Nonparametric Statistical
    Methods, 3rd ed., sections 4.2 and 4.3); ties make it wider than it need be, never narrower. Nothing is
    assumed about the distribution of the runs but that it is the same for both up to a factor.

    The outcome is where the interval lies: wholly inside the band, `equivalent`; otherwise wholly on one side
    of 1, `faster` or `slower`; otherwise `inconclusive`. So fewer than 1 - `confidence` of equal tests
    are called different, and a difference that is certain but too small to matter is called equivalent.

    Args:
        first: One positive number of each run of the test that is compared with, such as its median latency.
        second: The same of the other test, in the same unit.
        higher_is_faster: False for times, True for rates.
        band: 0.02 holds ratios from 1 ÷ 1.02 to 1.02 for equivalent; the same whichever test is the first.
        confidence: Of the interval.
    """
    samples = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    for name, sample in zip(("first", "second"), samples, strict=True):
        if not (np.isfinite(sample) & (sample > 0)).all():
            return _unknown(f"a run of the {name} test has no positive finite value", None)
    missing = missing_runs(samples[0].size, samples[1].size, confidence)
    if min(sample.size for sample in samples) == 0:
        return _unknown(_needs(missing), None)
    ratios = np.sort(np.subtract.outer(np.log(samples[1]), np.log(samples[0])), axis=None)
    ratio = float(np.exp(np.median(ratios)))
    if missing:
        return _unknown(_needs(missing), ratio)
    place = rank(samples[0].size, samples[1].size, confidence)
    interval = Interval(exp(ratios[place - 1]), exp(ratios[-place]))
    return Comparison(*decide(interval, higher_is_faster=higher_is_faster, band=band), ratio, interval)


def geometric_mean(comparisons: Sequence[Comparison | None], confidence: float = CONFIDENCE) -> GeometricMean:
    """The mean of several comparisons' ratios, each a configuration of its own, on the logarithms.

    The interval is Student's, over the configurations: it says how well the ratio of such configurations in
    general is known, not only of these, and so it is wide where a machine is good at one model and bad at
    another. A configuration without a ratio, and one that is None, is missing from `known` and from the mean.
    """
    return mean_of_ratios([None if each is None else each.ratio for each in comparisons], confidence)


def mean_by_group(
    ratios: Sequence[float | None], groups: Sequence[Hashable], confidence: float = CONFIDENCE
) -> GeometricMean:
    """The mean of the groups' means, so that a group of many configurations weighs no more than one of few.

    `groups` names the group of each ratio, such as its model. Configurations of one model are fast or slow
    together, so the interval is over the groups, as if each were one configuration of `geometric_mean`; of a
    single group, it is over its configurations. `known` and `of` count configurations.
    """
    by_group: dict[Hashable, list[float]] = {}
    for ratio, group in zip(ratios, groups, strict=True):
        if ratio is not None:
            by_group.setdefault(group, []).append(log(ratio))
    if len(by_group) <= 1:
        return mean_of_ratios(ratios, confidence)
    means = mean_of_ratios([exp(float(np.mean(logs))) for logs in by_group.values()], confidence)
    return replace(means, known=sum(map(len, by_group.values())), of=len(ratios))


def mean_of_ratios(ratios: Sequence[float | None], confidence: float = CONFIDENCE) -> GeometricMean:
    """`geometric_mean` of the ratios alone; None is one that is not known."""
    logs = np.array([log(ratio) for ratio in ratios if ratio is not None])
    known, of = logs.size, len(ratios)
    if known == 0:
        return GeometricMean(None, None, "no configuration has a ratio", known, of)
    mean = float(logs.mean())
    if known == 1:
        return GeometricMean(exp(mean), None, "needs 1 more configuration", known, of)
    half = student(known - 1, confidence) * float(logs.std(ddof=1)) / sqrt(known)
    return GeometricMean(exp(mean), Interval(exp(mean - half), exp(mean + half)), "", known, of)


def decide(interval: Interval, *, higher_is_faster: bool = False, band: float = BAND) -> tuple[Outcome, str]:
    """What a ratio with this interval is called, and the sentence that it rests on; see `compare`."""
    shown = f"the ratio is between {interval.low:.3f} and {interval.high:.3f}"
    if 1 / (1 + band) <= interval.low and interval.high <= 1 + band:
        return Outcome.EQUIVALENT, f"{shown}, less than {100 * band:g} % apart"
    if interval.low <= 1 <= interval.high:
        return Outcome.INCONCLUSIVE, f"{shown}: more runs may tell"
    return (Outcome.FASTER if (interval.low > 1) is higher_is_faster else Outcome.SLOWER), shown


def _unknown(reason: str, ratio: float | None) -> Comparison:
    return Comparison(Outcome.INCONCLUSIVE, reason, ratio, None)


def _needs(missing: int) -> str:
    return f"needs {missing} more run{'s' if missing > 1 else ''} of each"


def missing_runs(n: int, m: int, confidence: float = CONFIDENCE) -> int:
    """How many more runs both tests need before samples wholly apart are significant: 4 against 4 are."""
    missing = 0
    while 2 / comb(n + m + 2 * missing, n + missing) > 1 - confidence:
        missing += 1
    return missing


def rank(n: int, m: int, confidence: float = CONFIDENCE) -> int:
    """The largest r whose r-th smallest ratio exceeds the true one with at most half of 1 - confidence.

    It does when fewer than r of the n m ratios lie below the true one, which is to say that U < r.
    """
    tail = (1 - confidence) / 2
    if comb(n + m, n) < _EXACT_BELOW:
        return int(np.count_nonzero(_mann_whitney(n, m) <= tail))
    deviation = sqrt(n * m * (n + m + 1) / 12)
    return max(1, int(n * m / 2 + NormalDist().inv_cdf(tail) * deviation))


@cache
def _mann_whitney(n: int, m: int) -> npt.NDArray[np.float64]:
    """P(U <= u) for u = 0, 1, …, n m, where both samples are of one population.

    The ways to reach U = u are the coefficients of the Gaussian binomial, the product over i = 1 … n of
    (1 - q^(m+i)) / (1 - q^i) (Mann & Whitney 1947): a shifted difference, then a sum in strides of i.
    """
    ways = np.zeros(n * m + 1, dtype=np.int64)
    ways[0] = 1
    for i in range(1, n + 1):
        ways[m + i :] -= ways[: max(ways.size - m - i, 0)].copy()
        for offset in range(i):
            ways[offset::i] = np.cumsum(ways[offset::i])
    probabilities: npt.NDArray[np.float64] = np.cumsum(ways) / comb(n + m, n)
    return probabilities


@cache
def student(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Student's t that a value stays within with that confidence.

    With t = sqrt(freedom) tan(angle) its density is cos(angle)^(freedom - 1), up to a factor; the trapezoids
    are fine enough for six digits.
    """
    # Beyond 12 / sqrt(freedom) there is nothing that counts: the grid goes where the density is.
    angle = np.linspace(0, min(pi / 2, 12 / sqrt(freedom)), 20_001)
    density = np.cos(angle) ** (freedom - 1)
    area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return sqrt(freedom) * float(np.tan(np.interp(confidence, area / area[-1], angle)))
