"""How long a run measures: over a pool whose latencies are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from agent.worker.adaptive import MIN_LATENCIES
from agent.worker.length import Length, Trace, measure, warm_up
from agent.worker.measure import Limit, Segment

Draw = Callable[[int], npt.NDArray[np.float64]]
MS = 1e6


class Simulated:
    """A sync pool: draws latencies, keeps to limits as the real ones do, and remembers them."""

    requests = (None,)

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.limits: list[Limit] = []

    def run(self, limit: Limit) -> Segment:
        self.limits.append(limit)
        drawn = self._draw(min(limit.most, 200_000))
        ends = np.cumsum(drawn)
        in_time = int(np.searchsorted(ends, limit.seconds * 1e9)) + 1
        count = min(max(in_time, limit.least), limit.most, drawn.size)
        latency = drawn[:count].astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(latency)[:-1]])
        return Segment(starts, latency, int(latency.sum()))

    def harness_ns(self, segment: Segment) -> float:
        return 100.0 + 0 * segment.wall_ns


def drawing(spread: float, mean_ns: float = 1 * MS, seed: int = 1) -> Draw:
    random = np.random.default_rng(seed)
    return lambda count: mean_ns * random.lognormal(0, spread, count)


def length(**changes: float | None) -> Length:
    fields = {"target": 0.01, "min_s": 0.25, "max_s": 5.0, "min_iterations": 10, "max_iterations": 10**6}
    return Length(**{**fields, **changes})  # type: ignore[arg-type]


def measured(draw: Draw, **changes: float | None) -> tuple[Trace, Simulated]:
    pool = Simulated(draw)
    warm = warm_up(pool, 0.1, 10**6)  # type: ignore[arg-type]
    pool.limits.clear()
    return measure(pool, length(**changes), warm), pool  # type: ignore[arg-type]


def test_latencies_that_are_alike_end_with_the_least_time() -> None:
    trace, pool = measured(drawing(0.001))
    assert (trace.stopped, trace.segments) == ("precise", 1)
    assert 0.25e9 <= trace.wall_ns < 0.3e9
    assert len(pool.limits) == 1


def test_wide_latencies_take_longer_and_end_with_their_time() -> None:
    trace, _ = measured(drawing(0.2), max_s=30.0)
    assert trace.stopped == "precise"
    assert 0.5e9 < trace.wall_ns < 30e9
    noisy, _ = measured(drawing(3.0))
    assert noisy.stopped == "time"
    assert noisy.wall_ns >= 5e9


def test_each_look_has_a_third_more_to_see() -> None:
    trace, pool = measured(drawing(0.4), target=0.002)
    assert trace.segments > 1
    passed = pool.limits[0].seconds
    for limit in pool.limits[1:]:
        assert limit.seconds >= 0.33 * passed or passed + limit.seconds == pytest.approx(5.0, abs=0.1)
        passed += limit.seconds


def test_a_slow_model_has_its_least_number_in_one_segment() -> None:
    """An async pool runs dry at the end of each segment; so the warm-up says how long the first has to be."""
    trace, pool = measured(drawing(0.001, mean_ns=20 * MS))
    assert len(pool.limits) == 1
    assert trace.latency_ns.size >= MIN_LATENCIES


def test_without_a_target_only_the_time_counts() -> None:
    trace, pool = measured(drawing(0.001), target=None)
    assert (trace.stopped, trace.segments) == ("time", 1)
    assert pool.limits == [Limit(5.0, 10, 10**6)]


def test_at_most_so_many_iterations() -> None:
    trace, _ = measured(drawing(0.5), target=1e-6, max_iterations=700)
    assert (trace.stopped, trace.latency_ns.size) == ("iterations", 700)


def test_at_least_so_many_iterations_beyond_the_time() -> None:
    trace, _ = measured(drawing(0.1, mean_ns=1000 * MS), max_s=2.0, min_iterations=12)
    assert (trace.stopped, trace.latency_ns.size) == ("time", 12)


def test_segments_lie_on_one_line_without_the_pauses() -> None:
    trace, _ = measured(drawing(0.4), target=0.002)
    assert trace.start_ns[0] == 0
    np.testing.assert_array_equal(trace.start_ns[1:], np.cumsum(trace.latency_ns)[:-1])
    assert trace.wall_ns == trace.latency_ns.sum()


def test_the_interval_that_ended_a_run_holds_the_truth() -> None:
    """The promise, through all of it: where a run says `precise`, its median is within the target."""
    traces = [measured(drawing(0.2, seed=seed), max_s=30.0)[0] for seed in range(300)]
    medians = [float(np.median(trace.latency_ns)) / MS for trace in traces if trace.stopped == "precise"]
    assert len(medians) > 250
    assert np.mean(np.abs(np.array(medians) - 1) <= 0.01) >= 0.93
