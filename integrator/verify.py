"""The same tests by our own runner and by benchmark_app, in turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from integrator import benchmark_app
from integrator.benchmark_app import LATENCY_STEP_MS, Measured
from integrator.plan import Plan
from integrator.rehearse import only, rehearse
from integrator.statistics.summary import summarise_run
from protocol.errors import CampaignError
from protocol.job import AUTO, MAX_ITERATIONS, Hint, Job, Measure, PlannedTest

__all__ = ["Check", "differences", "first_tests", "verify"]

_COARSE = 0.005
"""From this share of a latency on, the step of benchmark_app's report is worth a word."""


@dataclass(slots=True)
class Check:
    """One test measured by both."""

    test: PlannedTest
    machine: str
    duration_s: int
    ours: list[Measured] = field(default_factory=list)
    theirs: list[Measured] = field(default_factory=list)
    reason: str = ""
    """Why it could not be measured."""

    @property
    def latency_ms(self) -> tuple[float, float] | None:
        """Medians over the runs, ours and theirs; None where benchmark_app does not say."""
        ours, theirs = _latencies(self.ours), _latencies(self.theirs)
        return (float(np.median(ours)), float(np.median(theirs))) if ours and theirs else None

    @property
    def throughput_fps(self) -> tuple[float, float]:
        """Medians over the runs, ours and theirs."""
        ours, theirs = ([run.throughput_fps for run in runs] for runs in (self.ours, self.theirs))
        return float(np.median(ours)), float(np.median(theirs))

    @property
    def latency_ratio(self) -> float | None:
        """Ours ÷ theirs: the median of the pairs' ratios, so that drift of the machine cancels."""
        ours, theirs = _latencies(self.ours), _latencies(self.theirs)
        return _ratio(ours, theirs) if ours and theirs and min(theirs) > 0 else None

    @property
    def throughput_ratio(self) -> float:
        """Ours ÷ theirs: the median of the pairs' ratios."""
        return _ratio([run.throughput_fps for run in self.ours], [run.throughput_fps for run in self.theirs])

    @property
    def throughput_ratios(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a pair."""
        ratios = [a.throughput_fps / b.throughput_fps for a, b in zip(self.ours, self.theirs, strict=True)]
        return min(ratios), max(ratios)


def first_tests(plan: Plan, count: int) -> list[tuple[Job, PlannedTest]]:
    """The first `count` tests of the campaign, each once: local machines are the same hardware."""
    found: dict[str, tuple[Job, PlannedTest]] = {}
    for job in plan.jobs:
        for test in job.tests:
            found.setdefault(test.id, (job, test))
    return list(found.values())[:count]


def verify(
    plan: Plan, job: Job, test: PlannedTest, *, pairs: int, duration_s: int | None, say: Callable[[str], None]
) -> Check:
    """Measure a test by both, `pairs` times in turns. What goes wrong is the check's `reason`.

    benchmark_app takes whole seconds, so both measure for the job's duration, rounded up, or `duration_s`.
    """
    seconds = duration_s or math.ceil(job.measure.duration_s)
    check = Check(test, job.machine, seconds)
    model = next(model for model in plan.models if model.ref.sha256 == test.model_sha256)
    file = model.folder / model.ref.entry
    # benchmark_app always measures for the whole time, and so does ours: a run that stops early would see
    # less of what changes with time (heat, clock frequency, other load) than the one it is compared with.
    measure = Measure(
        duration_s=seconds,
        interval_target=None,
        min_iterations=job.measure.min_iterations,
        max_iterations=MAX_ITERATIONS,
        warmup_s=job.measure.warmup_s,
    )
    single = only(plan, job, [test], runs=1, measure=measure)
    timeout_s = max(job.limits.run_timeout_s, 2.0 * seconds)

    def run_ours() -> None:
        check.ours.append(_ours(single, test))

    def run_theirs() -> None:
        check.theirs.append(benchmark_app.measure(test, file, duration_s=seconds, timeout_s=timeout_s))

    turns = (run_ours, run_theirs)
    try:
        for number in range(pairs):
            say(f"{test.id}: pair {number + 1} of {pairs}")
            # Every other pair the other way round, so that going second is nobody's advantage.
            for turn in reversed(turns) if number % 2 else turns:
                turn()
    except CampaignError as error:
        check.reason = str(error)
    return check


def differences(checks: Sequence[Check]) -> Iterator[str]:
    """What the two may differ in, beside chance: a sentence each."""
    yield (
        "inputs: ours are the campaign's, from its seed; benchmark_app fills every input with 0 to 255, "
        "uniformly, and some models are faster or slower on other values"
    )
    yield "warm-up: ours warms every infer request, and for a time; benchmark_app infers once, on one request"
    yield (
        "very short inferences: both loops are Python's; where an inference takes less than 0.1 ms, "
        "the loop is a part of the throughput"
    )
    asked = [c.test.id for c in checks if c.test.requests != AUTO and c.test.hint is not Hint.NONE]
    if asked:
        yield (
            "requests: benchmark_app also tells OpenVINO their number (PERFORMANCE_HINT_NUM_REQUESTS), "
            f"which may change the streams: {', '.join(asked)}"
        )
    for check in checks:
        if check.latency_ms and _COARSE * check.latency_ms[0] < LATENCY_STEP_MS / 2:
            yield (
                f"rounding: benchmark_app writes latencies to {LATENCY_STEP_MS} ms, here up to "
                f"{LATENCY_STEP_MS / 2 / check.latency_ms[0]:.1%} off: {check.test.id}"
            )


def _ours(plan: Plan, test: PlannedTest) -> Measured:
    (result,) = rehearse(plan)[test.id]
    if result.samples is None:  # an ok result has samples; this is for the type
        raise CampaignError(f"{test.id}: no samples came back")
    run = summarise_run(result.samples)
    return Measured(
        latency_ms=run.median_ms,
        throughput_fps=test.batch * run.iterations / run.wall_s,
        iterations=run.iterations,
    )


def _latencies(runs: Sequence[Measured]) -> list[float]:
    return [run.latency_ms for run in runs if run.latency_ms is not None]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return float(np.median([a / b for a, b in zip(ours, theirs, strict=True)]))
