"""What the conditions of the runs say of their numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from integrator.statistics.summary import RunSummary
from protocol.result import Conditions

__all__ = [
    "MAX_CPU_LIMIT",
    "MAX_FREQUENCY_MOVE",
    "MAX_MAJOR_FAULTS",
    "MAX_MEMORY_STALL",
    "MAX_OTHER_LOAD",
    "MAX_STEAL",
    "MIN_OTHER_LOAD",
    "MIN_TIMER_STEPS",
    "doubts_of_run",
    "energy_mj_per_inference",
]

MAX_OTHER_LOAD = 0.02
"""CPU time of everything else, as a share of all logical processors."""
MIN_OTHER_LOAD = 0.1
"""In cores. A quiet system needs that much for itself, and /proc/stat counts no finer over some seconds."""
MAX_STEAL = 0.02
"""Stolen CPU time as a share of what the run's process used."""
MAX_FREQUENCY_MOVE = 0.10
"""Of the fastest core, from before to after a run, as a share of the higher one. Slower cores may be idle."""
MAX_CPU_LIMIT = 0.001
"""Time in which the control group was stopped, as a share of the run."""
MAX_MEMORY_STALL = 0.001
"""Time in which some task waited for memory, as a share of the run."""
MAX_MAJOR_FAULTS = 10
"""Pages fetched from a disk in a run; a few are a library's code that was needed for the first time."""
MIN_TIMER_STEPS = 100
"""A latency of fewer steps of the timer is off by more than 1 %."""


def doubts_of_run(run: RunSummary, conditions: Conditions) -> set[str]:
    """The names of the reasons to doubt this run; what is unknown is no reason."""
    seconds = conditions.seconds
    before, after = conditions.before.frequency_max_hz, conditions.after.frequency_max_hz
    other = max(MIN_OTHER_LOAD, MAX_OTHER_LOAD * conditions.logical_cores)
    doubts = {
        "throttled": _or_zero(conditions.throttle_events) > 0,
        "cpu_limit_hit": _or_zero(conditions.cpu_limit_s) > MAX_CPU_LIMIT * seconds,
        "other_load": _or_zero(conditions.other_load_cores) > other,
        "steal": _or_zero(conditions.steal_cores) * seconds > MAX_STEAL * conditions.process_cpu_s,
        "frequency_moved": bool(before and after)
        and abs(_or_zero(after) - _or_zero(before)) > MAX_FREQUENCY_MOVE * max(before or 0, after or 0),
        "memory_pressure": conditions.major_faults > MAX_MAJOR_FAULTS
        or _or_zero(conditions.memory_stall_s) > MAX_MEMORY_STALL * seconds,
        "timer_coarse": run.median_ms * 1e6 < MIN_TIMER_STEPS * conditions.timer_resolution_ns,
    }
    return {name for name, doubted in doubts.items() if doubted}


def energy_mj_per_inference(
    runs: Sequence[RunSummary], conditions: Sequence[Conditions | None]
) -> float | None:
    """Millijoules of all CPU packages per inference: median of the runs; None where none knows it."""
    known = [
        1e3 * joules / run.iterations
        for run, condition in zip(runs, conditions, strict=True)
        if condition and (joules := condition.package_joules) is not None
    ]
    return float(np.median(known)) if known else None


def _or_zero(value: float | None) -> float:
    return value or 0.0
