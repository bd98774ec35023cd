"""Every reason of a verdict: what just trips it, and what just does not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from integrator.statistics.interval import median_interval, runs_needed
from integrator.statistics.summary import RunSummary, summarise_run
from integrator.statistics.verdict import MIN_RUNS, REASONS, Evidence, Reason, Verdict, judge
from tests.support import make_samples
from tests.unit.test_condition_verdicts import conditions

RUNS = 6


def run_of(*latencies_ms: float, pause_ms: float = 0.0) -> RunSummary:
    """Inferences one after another, with a pause in the middle."""
    latencies = np.array(latencies_ms)
    starts = np.concatenate([[0.0], np.cumsum(latencies)[:-1]])
    starts[len(starts) // 2 :] += pause_ms
    return summarise_run(make_samples(list(starts), list(latencies)))


STEADY = run_of(*[10.0, 10.1] * 100)


class Case(NamedTuple):
    """Changes to the evidence of six good runs."""

    allowed: dict[str, Any]
    doubted: dict[str, Any]


def runs(last: RunSummary) -> dict[str, Any]:
    return {"runs": [*[STEADY] * (RUNS - 1), last]}


def under(**changes: Any) -> dict[str, Any]:
    """The conditions of one of the runs."""
    return {"conditions": [*[conditions()] * (RUNS - 1), conditions(**changes)]}


def number_of_runs(count: int) -> dict[str, Any]:
    return {"runs": [STEADY] * count, "planned_runs": count, "conditions": ()}


CASES: dict[str, list[Case]] = {
    "run_failed": [Case({"failed_runs": 0}, {"failed_runs": 1, "planned_runs": RUNS + 1})],
    "non_finite_output": [Case({"outputs_finite": True}, {"outputs_finite": False})],
    "throttled": [Case(under(throttle_events=0), under(throttle_events=1))],
    "cpu_limit_hit": [Case(under(cpu_limit_s=0.004), under(cpu_limit_s=0.006))],
    "too_few_runs": [Case(number_of_runs(6), number_of_runs(5))],
    "runs_missing": [Case({"planned_runs": RUNS}, {"planned_runs": RUNS + 1})],
    "runs_differ": [Case(runs(run_of(*[10.5] * 200)), runs(run_of(*[10.6] * 200)))],
    "drift": [
        Case(
            runs(run_of(*[9.8] * 100, *[10.2] * 100)),
            runs(run_of(*[9.7] * 100, *[10.3] * 100)),
        ),
        # Halves of nine inferences say nothing, those of ten do.
        Case(runs(run_of(*[9.7] * 9, *[10.3] * 9)), runs(run_of(*[9.7] * 10, *[10.3] * 10))),
    ],
    "throughput_uneven": [
        # A run of 2 s and its pause: 90 and 110 ms.
        Case(runs(run_of(*[10.0] * 192, pause_ms=90.0)), runs(run_of(*[10.0] * 190, pause_ms=110.0))),
        # Seven parts of ten inferences do not show how much they differ by chance, eight do.
        Case(runs(run_of(*[10.0] * 71, pause_ms=80.0)), runs(run_of(*[10.0] * 73, pause_ms=80.0))),
    ],
    "other_load": [
        Case(under(other_load_cores=0.15), under(other_load_cores=0.17)),
        Case(under(logical_cores=2, other_load_cores=0.09), under(logical_cores=2, other_load_cores=0.11)),
    ],
    "steal": [Case(under(steal_cores=0.07), under(steal_cores=0.09))],
    "frequency_moved": [
        Case(under(frequency_after=3_650_000_000), under(frequency_after=3_550_000_000)),
        Case(under(frequency_after=4_400_000_000), under(frequency_after=4_500_000_000)),
    ],
    "memory_pressure": [
        Case(under(major_faults=10), under(major_faults=11)),
        Case(under(memory_stall_s=0.004), under(memory_stall_s=0.006)),
    ],
    "timer_coarse": [Case(under(timer_resolution_ns=100_000), under(timer_resolution_ns=101_000))],
    "denormal_output": [Case({"outputs_normal": True}, {"outputs_normal": False})],
    # The share of the median run.
    "harness_cost": [Case({"harness_shares": [0.5, 0.01, 0.0]}, {"harness_shares": [0.5, 0.011, 0.0]})],
}


def judged(changes: dict[str, Any]) -> tuple[Verdict, tuple[str, ...]]:
    evidence: dict[str, Any] = {
        "runs": [STEADY] * RUNS,
        "planned_runs": RUNS,
        "failed_runs": 0,
        "outputs_finite": True,
        "conditions": [conditions()] * RUNS,
    }
    return judge(Evidence(**{**evidence, **changes}))


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_at_its_threshold(name: str) -> None:
    """A new reason needs its cases here."""
    assert CASES[name]
    for case in CASES[name]:
        assert judged(case.allowed) == (Verdict.VALID, ())
        assert judged(case.doubted) == (REASONS[name].verdict, (name,))


def test_there_are_no_cases_of_reasons_that_are_gone() -> None:
    assert set(CASES) == set(REASONS)


@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS)
def test_each_reason_has_a_meaning_and_a_sentence_of_advice(reason: Reason) -> None:
    assert reason.meaning
    assert not reason.meaning.endswith(".")
    assert reason.advice[0].isupper()
    assert reason.advice.endswith(".")


def test_too_few_runs_are_those_whose_median_has_no_interval() -> None:
    assert runs_needed() == MIN_RUNS
    assert isinstance(median_interval([10.0] * (MIN_RUNS - 1)), str)
    assert not isinstance(median_interval([10.0] * MIN_RUNS), str)
