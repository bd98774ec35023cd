"""How long a run measures: segment by segment, until its median is known well enough or its time is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.worker.adaptive import MIN_LATENCIES, Precision, precise_enough
from agent.worker.measure import Instants, Limit, Pool, Segment

__all__ = ["Length", "Trace", "measure", "warm_up"]

_LEAST_GROWTH = 4 / 3
"""`precise_enough` keeps its promise when it is asked after each third more, not after each look."""
_MOST_GROWTH = 4.0
_RESERVE = 1.1


@dataclass(frozen=True, slots=True)
class Length:
    """What ends a run."""

    target: float | None
    """The median's interval is narrower than ± this share of it; None: only the time counts."""
    min_s: float
    max_s: float
    """Its time; exceeded only for `min_iterations`."""
    min_iterations: int
    max_iterations: int


@dataclass(frozen=True, slots=True)
class Trace:
    """All segments of a run on one time line, the pauses between them cut out."""

    start_ns: Instants
    latency_ns: Instants
    wall_ns: int
    segments: int
    stopped: Literal["precise", "time", "iterations"]
    harness_ns: float


def warm_up(pool: Pool, seconds: float, most: int) -> Segment:
    """Infer on every request at least once, and for `seconds`."""
    return pool.run(Limit(seconds, len(pool.requests), max(most, len(pool.requests))))


def measure(pool: Pool, length: Length, warm: Segment) -> Trace:
    """Measure in segments of growing length.

    Every segment of an async run ends with a pool that runs dry, so there are as few as can be: the first is
    as long as the warm-up says is needed at least, the next as long as the interval so far says.
    """
    segments: list[Segment] = []
    wall = count = 0
    seconds = _first(length, warm)
    while True:
        left = length.max_s - wall / 1e9
        if left - seconds < seconds / 3:
            seconds = left
        least = max(1, length.min_iterations - count) if seconds >= left else 1
        segment = pool.run(Limit(seconds, least, length.max_iterations - count))
        segments.append(segment)
        wall += segment.wall_ns
        count += segment.latency_ns.size
        latencies = np.concatenate([part.latency_ns for part in segments])
        stopped: Literal["precise", "time", "iterations"] | None = None
        precision = Precision(np.inf, False, "")
        if length.target is not None and count >= length.min_iterations:
            precision = precise_enough(latencies, length.target)
        if precision.enough:
            stopped = "precise"
        elif count >= length.max_iterations:
            stopped = "iterations"
        elif wall >= length.max_s * 1e9 and count >= length.min_iterations:
            stopped = "time"
        if stopped:
            return _joined(segments, latencies, stopped, pool)
        seconds = wall / 1e9 * (_growth(length, precision, count) - 1)


def _first(length: Length, warm: Segment) -> float:
    if length.target is None:
        return length.max_s
    per_inference = warm.wall_ns / 1e9 / warm.latency_ns.size
    needed = max(MIN_LATENCIES, length.min_iterations) * per_inference * _RESERVE
    return min(length.max_s, max(length.min_s, needed))


def _growth(length: Length, precision: Precision, count: int) -> float:
    """By how much more to measure: the interval narrows with the root of the number of latencies."""
    needed = max(MIN_LATENCIES, length.min_iterations) / count * _RESERVE
    if length.target and np.isfinite(precision.half_width):
        needed = max(needed, (precision.half_width / length.target) ** 2 * _RESERVE)
    return min(max(needed, _LEAST_GROWTH), max(_MOST_GROWTH, length.min_iterations / count))


def _joined(
    segments: list[Segment],
    latencies: Instants,
    stopped: Literal["precise", "time", "iterations"],
    pool: Pool,
) -> Trace:
    offsets = np.cumsum([0, *(part.wall_ns for part in segments)])
    starts = [part.start_ns + offset for part, offset in zip(segments, offsets, strict=False)]
    start_ns = np.concatenate(starts)
    return Trace(
        start_ns - start_ns[0],
        latencies,
        int(offsets[-1]),
        len(segments),
        stopped,
        pool.harness_ns(segments[-1]),
    )
