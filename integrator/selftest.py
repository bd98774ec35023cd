"""A test against itself: what scatter alone makes of two sides that are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integrator.plan import Plan
from integrator.rehearse import only, rehearse
from integrator.statistics.resolution import MIN_RUNS, POWER, Resolution, resolution, runs_needed
from integrator.statistics.summary import RunSummary, summarise_run
from protocol.job import Job, Measure, PlannedTest
from protocol.result import Result

__all__ = ["Selftest", "selftest", "sentences"]

TARGETS = (0.01, 0.03)
"""Differences for which the runs that they need are named."""


@dataclass(frozen=True, slots=True)
class Selftest:
    """One test as A and as B, its runs interleaved."""

    job: Job
    """What was measured: two tests that differ in their ids alone."""
    a: tuple[RunSummary, ...]
    b: tuple[RunSummary, ...]

    @property
    def test(self) -> PlannedTest:
        """The test that was measured twice."""
        return self.job.tests[0]

    @property
    def latency(self) -> Resolution:
        """Of the runs' median latencies."""
        return resolution([run.median_ms for run in self.a], [run.median_ms for run in self.b])

    @property
    def throughput(self) -> Resolution:
        """Of the runs' inferences per second."""
        return resolution(_rates(self.a), _rates(self.b))


def selftest(plan: Plan, *, runs: int, duration_s: float) -> Selftest:
    """Measure the plan's first test twice in one campaign, `runs` runs of at most `duration_s` seconds each.

    Raises:
        CampaignError: a run did not end well.
    """
    job = plan.jobs[0]
    test = job.tests[0]
    sides = [test.model_copy(update={"id": f"{test.id}-{side}"}) for side in "ab"]
    # Runs stop early as those of a campaign do. Both sides stop by the same rule, so B ÷ A is not skewed, and
    # the scatter of such runs is what is asked: longer ones may scatter less, and would promise too much.
    measure = Measure.model_validate(
        job.measure.model_dump(exclude={"min_duration_s"}) | {"duration_s": duration_s}
    )
    doubled = only(plan, job, sides, runs=runs, measure=measure)
    results = rehearse(doubled)
    a, b = (_summaries(results[side.id]) for side in sides)
    return Selftest(doubled.jobs[0], a, b)


def sentences(name: str, shown: Resolution) -> Iterator[str]:
    """What a measure's resolution means, in words; honest where the runs do not suffice."""
    if shown.scatter == 0:
        yield f"{name}: every run shows the same value, so their scatter is below what the clock can show."
        return
    found, bound = _percent(shown.smallest), _percent(shown.smallest_at_most)
    if not shown.sufficient:
        yield (
            f"{name}: {shown.runs} runs on each side are too few to know how much runs scatter: the smallest "
            f"difference that this machine resolves may be {found}, or as large as {bound}. "
            f"Give --runs {MIN_RUNS} or more; 10 is a good number."
        )
    else:
        yield (
            f"{name}: with {shown.runs} runs on each side this machine resolves differences of {found} and "
            f"more (found in {POWER * 100:.0f} of 100 comparisons, at 95 % confidence). How much runs "
            f"scatter is known from these runs alone, so it may also be as much as {bound}."
        )
        for target in TARGETS:
            runs = runs_needed(shown.scatter, target)
            count = "more than 1,000" if runs is None else str(runs)
            yield f"To resolve {_percent(target)} it needs {count} runs on each side."
    if not shown.sides_agree:
        yield (
            "A and B are the same, and yet seem to differ. By chance that happens in 1 of 20 selftests. "
            "Otherwise something changes from run to run: other load, heat, clock frequency. Run it again."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _summaries(results: Sequence[Result]) -> tuple[RunSummary, ...]:
    return tuple(summarise_run(result.samples) for result in results if result.samples)


def _rates(runs: Sequence[RunSummary]) -> list[float]:
    return [run.iterations / run.wall_s for run in runs]
