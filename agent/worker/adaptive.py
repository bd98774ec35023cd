"""Whether a run has measured enough: how well its median is known from the latencies so far.

Latencies of one process follow each other: a slow one is likely followed by a slow one, so that a thousand
of them may say no more than fifty independent ones, and the standard error for independent values is far too
small. So they are taken in batches, as simulations of queues do (A. F. Seila, "A batching approach to
quantile estimation in regenerative simulations", Management Science 28 (1982)): of each batch, the share of
latencies above the median. The spread of these shares between batches holds the correlation within them, and
says between which quantiles of the sample the true median lies.

    while not out_of_time:
        measure a segment that brings a third more latencies
        if precise_enough(latencies, target).enough:
            break

It is meant to be asked between two segments, outside the timed region: it sorts all latencies once, which
takes 0.1 s for a million of them. Ask when their number has grown by a third, not more often: every question
is one more chance to stop on a streak of luck, and the promise is kept at that pace.

The promise, tested by simulation: where it says `enough`, the sample's median lies within the target of the
true one in at least 93 % of runs, for independent latencies and for correlated ones. A drift of the latencies
makes neighbouring batches alike; it is enough only where no batch's median is further than the target from
that of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MIN_LATENCIES", "Precision", "precise_enough"]


@dataclass(frozen=True, slots=True)
class _Batching:
    """Into how many batches: many to see whether neighbours are alike, few and long ones for the spread."""

    fine: int
    coarse: int
    student: float
    """Student's t of 97 % for the spread of the coarse ones: the question is asked several times in a run,
    and what is lost by stopping at the first yes leaves 95 %."""
    max_likeness: float
    """Correlation of neighbouring batches; of n independent ones, nine in ten show less: 1.28 ÷ √n."""


_MANY = _Batching(fine=32, coarse=16, student=2.397, max_likeness=0.23)
_FEW = _Batching(fine=16, coarse=8, student=2.715, max_likeness=0.32)
_LEAST_IN_A_BATCH = 4
MIN_LATENCIES = 2 * _FEW.fine
"""Fewer are never enough."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How well the median is known."""

    half_width: float
    """The longer side of the median's 95 % interval, as a share of the median; infinite where unknown."""
    enough: bool
    reason: str
    """Why it is not enough, or what it rests on; one sentence for the log."""


def precise_enough(
    latencies: npt.NDArray[np.float64] | npt.NDArray[np.uint64], target: float = 0.01
) -> Precision:
    """Whether the median of the run is known to ± `target`, a share of it, at 95 %.

    With t of 15 degrees of freedom and s the standard deviation of the shares of 16 batches, the interval
    of the median reaches from the quantile 1/2 - t s / √16 to the quantile 1/2 + t s / √16. Fewer than 128
    latencies, of slow models, make 8 batches. The spread s is taken no smaller than that of independent
    latencies, √(1/4 ÷ length of a batch), and is raised by √((1 + r) / (1 - r)) for a correlation r that is
    left between neighbouring batches.

    Args:
        latencies: All so far, in the order of their starts, in any unit.
        target: 0.01 for ±1 %.
    """
    values = np.asarray(latencies, dtype=np.float64)
    if values.size < MIN_LATENCIES:
        return _no(np.inf, f"{values.size} latencies are fewer than {MIN_LATENCIES}")
    plan = _MANY if values.size >= _LEAST_IN_A_BATCH * _MANY.fine else _FEW
    length = values.size // plan.fine
    recent = values[values.size - length * plan.fine :]  # the oldest few fill no batch
    median = float(np.median(values))
    if not (np.isfinite(median) and median > 0):
        return _no(np.inf, "the median is not a positive number")
    shares = (recent > median).reshape(plan.fine, length).mean(axis=1)
    coarse = shares.reshape(plan.coarse, -1).mean(axis=1)
    spread = max(float(coarse.std(ddof=1)), 0.5 / np.sqrt(2 * length))
    alike = _likeness(shares)
    if alike > plan.max_likeness:
        return _within(
            recent.reshape(plan.coarse, -1), median, target, f"neighbouring batches correlate by {alike:.2f}"
        )
    left_over = (1 + max(alike, 0)) / (1 - max(alike, 0))  # of the correlation that reaches across batches
    reach = plan.student * spread * float(np.sqrt(left_over / plan.coarse))
    if reach >= 0.5:  # noqa: PLR2004
        return _no(np.inf, "the latencies come in long stretches of slow and fast ones")
    low, high = np.quantile(values, [0.5 - reach, 0.5 + reach])
    half_width = float(max(median - low, high - median)) / median
    if half_width > target:
        return _no(half_width, f"the median is known to ±{half_width:.2%}, not yet to ±{target:.2%}")
    return Precision(half_width, True, f"the median is known to ±{half_width:.2%}")


def _within(batches: npt.NDArray[np.float64], median: float, target: float, seen: str) -> Precision:
    """Of latencies that drift, or change slowly: what they did so far is all that is known of them."""
    farthest = float(np.abs(np.median(batches, axis=1) - median).max()) / median
    if farthest > target:
        return _no(np.inf, f"it drifts by ±{farthest:.2%}: {seen}")
    return Precision(farthest, True, f"it drifts, but within ±{farthest:.2%}")


def _no(half_width: float, reason: str) -> Precision:
    return Precision(float(half_width), False, reason)


def _likeness(shares: npt.NDArray[np.float64]) -> float:
    """The correlation of each batch with the next; 0 where all batches are equal."""
    off = shares - shares.mean()
    total = float(off @ off)
    return float(off[:-1] @ off[1:]) / total if total > 0 else 0.0
