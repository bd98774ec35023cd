"""One run's raw samples, and several runs of a test, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from integrator.statistics.evenness import parts_of
from integrator.statistics.interval import median_interval
from integrator.statistics.percentiles import percentile, percentile_bound
from protocol.job import Scenario
from protocol.samples import Nanoseconds, Samples

__all__ = ["RunSummary", "TestSummary", "latencies_ms", "summarise_run", "summarise_test"]

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. Latencies in milliseconds, total times in seconds."""

    latency_ms: npt.NDArray[np.float64]
    median_ms: float
    busy_s: float
    """Sum of the latencies."""
    wall_s: float
    """From the first start to the last completion."""
    parts: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """The work in equal parts of the run; see `evenness`. Empty where the run is too short."""

    @property
    def iterations(self) -> int:
        """Inferences in the timed region."""
        return int(self.latency_ms.size)


@dataclass(frozen=True, slots=True)
class TestSummary:
    """All good runs of a test; the fields are columns of results.csv."""

    __test__ = False  # pytest takes the name for a test's

    runs: int
    iterations: int
    latency_ms: float
    latency_p90_ms: float | str
    latency_p95_ms: float | str
    latency_p99_ms: float | str
    latency_min_ms: float
    latency_max_ms: float
    single_pass_ms: float
    fps: float
    throughput_fps: float
    latency_low_ms: float | str
    """The 95 % interval of `latency_ms`, or "needs N more runs"; the next three likewise."""
    latency_high_ms: float | str
    throughput_low_fps: float | str
    throughput_high_fps: float | str
    latency_p95_high_ms: float | str
    """The upper end of the 95 % interval of `latency_p95_ms`, or why there is none; the next likewise."""
    latency_p99_high_ms: float | str


def latencies_ms(values: Nanoseconds) -> npt.NDArray[np.float64]:
    """Packed nanoseconds as milliseconds."""
    return values.values.astype(np.float64) / _NS_PER_MS


def summarise_run(samples: Samples) -> RunSummary:
    """The numbers of one run, from its raw samples alone."""
    latency = latencies_ms(samples.latency_ns)
    start = latencies_ms(samples.start_ns)
    return RunSummary(
        latency_ms=latency,
        median_ms=float(np.median(latency)),
        busy_s=float(latency.sum()) / 1e3,
        wall_s=float((start + latency).max() - start.min()) / 1e3,
        parts=parts_of(start, latency),
    )


def summarise_test(runs: Sequence[RunSummary], *, scenario: Scenario, batch: int) -> TestSummary:
    """The numbers of a test from those of its good runs, at least one.

    A value is the median over the runs of what the run shows, because the run is the unit of comparison:
    latencies of one process are correlated. Percentiles, minimum and maximum are of all inferences together.
    The interval of the throughput is that of the wall-clock time per iteration, turned over.

    sync:   single pass = sum of the latencies ÷ iterations; fps = batch ÷ median latency
    async:  single pass = wall-clock time ÷ iterations; fps = batch × iterations ÷ wall-clock time
    both:   throughput = batch × iterations ÷ wall-clock time
    """
    latencies = [run.latency_ms for run in runs]
    pooled = np.concatenate(latencies)
    medians_ms = [run.median_ms for run in runs]
    latency_ms = float(np.median(medians_ms))
    latency = median_interval(medians_ms)
    total_s = [run.busy_s if scenario is Scenario.SYNC else run.wall_s for run in runs]
    single_pass_ms = float(
        np.median([1e3 * total / run.iterations for run, total in zip(runs, total_s, strict=True)])
    )
    wall_per_iteration_s = [run.wall_s / run.iterations for run in runs]
    throughput_fps = batch / float(np.median(wall_per_iteration_s))
    wall = median_interval(wall_per_iteration_s)
    return TestSummary(
        runs=len(runs),
        iterations=int(pooled.size),
        latency_ms=latency_ms,
        latency_p90_ms=percentile(pooled, 0.90),
        latency_p95_ms=percentile(pooled, 0.95),
        latency_p99_ms=percentile(pooled, 0.99),
        latency_min_ms=float(pooled.min()),
        latency_max_ms=float(pooled.max()),
        single_pass_ms=single_pass_ms,
        fps=1e3 * batch / latency_ms if scenario is Scenario.SYNC else throughput_fps,
        throughput_fps=throughput_fps,
        latency_low_ms=latency if isinstance(latency, str) else latency.low,
        latency_high_ms=latency if isinstance(latency, str) else latency.high,
        throughput_low_fps=wall if isinstance(wall, str) else batch / wall.high,
        throughput_high_fps=wall if isinstance(wall, str) else batch / wall.low,
        latency_p95_high_ms=percentile_bound(latencies, 0.95),
        latency_p99_high_ms=percentile_bound(latencies, 0.99),
    )
