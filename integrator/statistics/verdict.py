"""How far a row can be trusted, with a reason and an advice for each doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from integrator.statistics.conditions import (
    MAX_CPU_LIMIT,
    MAX_FREQUENCY_MOVE,
    MAX_MAJOR_FAULTS,
    MAX_MEMORY_STALL,
    MAX_OTHER_LOAD,
    MAX_STEAL,
    MIN_OTHER_LOAD,
    MIN_TIMER_STEPS,
    doubts_of_run,
)
from integrator.statistics.harness import MAX_HARNESS_SHARE
from integrator.statistics.summary import RunSummary
from protocol.result import Conditions

__all__ = ["REASONS", "Evidence", "Reason", "Verdict", "judge"]

MIN_RUNS = 3
MAX_SPREAD = 0.05
MAX_DRIFT = 0.05
MIN_HALF = 10
"""A half of a run with fewer inferences says nothing about drift."""


class Verdict(StrEnum):
    """`noisy` numbers are shown and doubted, `invalid` ones are shown and never ranked."""

    VALID = "valid"
    NOISY = "noisy"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Reason:
    """A doubt: what it makes of the row, what it says, what to do about it.

    One whose verdict is `valid` is a remark: it is named and lowers nothing.
    """

    verdict: Verdict
    meaning: str
    advice: str


REASONS = {
    "run_failed": Reason(
        Verdict.INVALID,
        "a run of this test did not end well",
        "Read the reason of the row; the numbers are those of the other runs.",
    ),
    "non_finite_output": Reason(
        Verdict.INVALID,
        "an output of the model holds NaN or infinity, which can change its speed",
        "Check the model, its weights and the range of its inputs.",
    ),
    "throttled": Reason(
        Verdict.INVALID,
        "a core or a package was slowed down for heat during a run",
        "Improve the cooling, let the machine cool down between runs, or lower its power limit.",
    ),
    "cpu_limit_hit": Reason(
        Verdict.INVALID,
        f"the container's CPU limit stopped it for more than {MAX_CPU_LIMIT:.1%} of a run",
        "Lift the limit (docker run without --cpus), or set threads to what it allows.",
    ),
    "too_few_runs": Reason(
        Verdict.NOISY,
        f"fewer than {MIN_RUNS} runs: differences between processes cannot be seen",
        f"Set runs to {MIN_RUNS} or more.",
    ),
    "runs_missing": Reason(
        Verdict.NOISY,
        "fewer runs than were planned",
        "Run the campaign to its end.",
    ),
    "runs_differ": Reason(
        Verdict.NOISY,
        f"the medians of the runs lie more than {MAX_SPREAD:.0%} apart",
        "Look for other load, a changing clock frequency or heat; add runs.",
    ),
    "drift": Reason(
        Verdict.NOISY,
        f"the two halves of a run differ by more than {MAX_DRIFT:.0%}",
        "Warm up for longer; look for heat and other load.",
    ),
    "other_load": Reason(
        Verdict.NOISY,
        f"other processes took more than {MAX_OTHER_LOAD:.0%} of all cores, and more than {MIN_OTHER_LOAD:g} "
        "of a core, during a run",
        "Stop what else runs on the machine, and run again.",
    ),
    "steal": Reason(
        Verdict.NOISY,
        f"the hypervisor gave more than {MAX_STEAL:.0%} of a run's CPU time to other guests",
        "Give the virtual machine processors of its own, or measure on bare metal.",
    ),
    "frequency_moved": Reason(
        Verdict.NOISY,
        f"the fastest core's frequency changed by more than {MAX_FREQUENCY_MOVE:.0%} during a run",
        "Set the governor to performance; warm up for longer; look for heat.",
    ),
    "memory_pressure": Reason(
        Verdict.NOISY,
        f"a run fetched more than {MAX_MAJOR_FAULTS} pages from a disk, or tasks waited for memory "
        f"for more than {MAX_MEMORY_STALL:.1%} of it",
        "Free memory, raise the container's memory limit, or take a smaller model or fewer requests.",
    ),
    "timer_coarse": Reason(
        Verdict.NOISY,
        f"the median latency is less than {MIN_TIMER_STEPS} steps of the system's timer",
        "Use a finer clock source (tsc), or measure a larger batch.",
    ),
    "denormal_output": Reason(
        Verdict.NOISY,
        "an output holds denormal numbers, which many CPUs compute slowly",
        "Check the weights of the model and the range of its inputs.",
    ),
    "harness_cost": Reason(
        Verdict.VALID,
        f"more than {MAX_HARNESS_SHARE:.0%} of each inference is the harness's own cost",
        "Compare with tests of the same machine only, or measure a larger batch.",
    ),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict of a test is made from."""

    runs: Sequence[RunSummary]
    """The good ones."""
    planned_runs: int
    failed_runs: int
    outputs_finite: bool
    conditions: Sequence[Conditions | None] = ()
    """Of each good run, in the order of `runs`; or none at all."""
    outputs_normal: bool = True
    harness_shares: Sequence[float] = ()
    """Of each good run that knows it: the share of an inference that is the harness's own."""


def judge(evidence: Evidence) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and the names of its reasons in the order of `REASONS`."""
    runs = evidence.runs
    of_conditions: set[str] = set()
    if evidence.conditions:
        for run, conditions in zip(runs, evidence.conditions, strict=True):
            of_conditions |= doubts_of_run(run, conditions) if conditions else set()
    doubts = {
        "run_failed": evidence.failed_runs > 0,
        "non_finite_output": not evidence.outputs_finite,
        "too_few_runs": len(runs) < MIN_RUNS,
        "runs_missing": len(runs) + evidence.failed_runs < evidence.planned_runs,
        "runs_differ": _spread([run.median_ms for run in runs]) > MAX_SPREAD,
        "drift": any(_drift(run) > MAX_DRIFT for run in runs),
        "denormal_output": not evidence.outputs_normal,
        "harness_cost": len(evidence.harness_shares) > 0
        and float(np.median(evidence.harness_shares)) > MAX_HARNESS_SHARE,
    }
    reasons = tuple(name for name in REASONS if doubts.get(name) or name in of_conditions)
    verdicts = {REASONS[name].verdict for name in reasons}
    worst = next((v for v in (Verdict.INVALID, Verdict.NOISY) if v in verdicts), Verdict.VALID)
    return worst, reasons


def _spread(medians: Sequence[float]) -> float:
    return (max(medians) - min(medians)) / float(np.median(medians))


def _drift(run: RunSummary) -> float:
    half = run.iterations // 2
    if half < MIN_HALF:
        return 0.0
    first, second = np.median(run.latency_ms[:half]), np.median(run.latency_ms[half:])
    return float(abs(second - first) / run.median_ms)
