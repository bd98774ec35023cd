"""Each reason that comes from the conditions of a run, at its threshold and beyond it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from integrator.statistics.conditions import MAX_OTHER_LOAD, MIN_OTHER_LOAD, energy_mj_per_inference
from integrator.statistics.summary import RunSummary
from integrator.statistics.verdict import Evidence, Verdict, judge
from protocol.result import Conditions


def run_of(median_ms: float = 10.0) -> RunSummary:
    return RunSummary(
        latency_ms=np.full(100, median_ms), median_ms=median_ms, busy_s=median_ms / 10, wall_s=median_ms / 10
    )


def conditions(**changes: Any) -> Conditions:
    """5 s on 8 cores of a quiet machine, of which everything is known."""
    level = {
        "load_1min": 4.0,
        "runnable_threads": 4,
        "frequency_min_hz": 800_000_000,
        "frequency_median_hz": 3_000_000_000,
        "frequency_max_hz": 4_000_000_000,
        "temperature_c": 60.0,
        "available_memory_bytes": 8 << 30,
    }
    fields: dict[str, Any] = {
        "seconds": 5.0,
        "timer_resolution_ns": 1,
        "logical_cores": 8,
        "before": level,
        "after": {**level, "frequency_max_hz": changes.pop("frequency_after", 4_000_000_000)},
        "process_cpu_s": 20.0,
        "other_load_cores": 0.05,
        "steal_cores": 0.0,
        "throttle_events": 0,
        "cpu_limit_hits": 0,
        "cpu_limit_s": 0.0,
        "cpu_stall_s": 1.0,
        "memory_stall_s": 0.0,
        "major_faults": 0,
        "voluntary_switches": 1000,
        "involuntary_switches": 100,
        "energy_joules": {"package-0": 15.0},
    }
    return Conditions.model_validate({**fields, **changes})


def judged(*of_runs: Conditions | None, runs: list[RunSummary] | None = None, **changes: Any) -> Any:
    runs = runs or [run_of()] * len(of_runs)
    fields: dict[str, Any] = {
        "runs": runs,
        "planned_runs": len(runs),
        "failed_runs": 0,
        "outputs_finite": True,
        "conditions": of_runs,
    }
    return judge(Evidence(**{**fields, **changes}))


@pytest.mark.parametrize(
    ("reason", "verdict", "allowed", "doubted"),
    [
        ("throttled", Verdict.INVALID, {"throttle_events": 0}, {"throttle_events": 1}),
        ("cpu_limit_hit", Verdict.INVALID, {"cpu_limit_s": 0.004}, {"cpu_limit_s": 0.006}),
        ("other_load", Verdict.NOISY, {"other_load_cores": 0.15}, {"other_load_cores": 0.17}),
        (
            "other_load",
            Verdict.NOISY,
            {"logical_cores": 2, "other_load_cores": 0.09},
            {"logical_cores": 2, "other_load_cores": 0.11},
        ),
        ("steal", Verdict.NOISY, {"steal_cores": 0.07}, {"steal_cores": 0.09}),
        (
            "frequency_moved",
            Verdict.NOISY,
            {"frequency_after": 3_650_000_000},
            {"frequency_after": 3_550_000_000},
        ),
        (
            "frequency_moved",
            Verdict.NOISY,
            {"frequency_after": 4_400_000_000},
            {"frequency_after": 4_500_000_000},
        ),
        ("memory_pressure", Verdict.NOISY, {"major_faults": 10}, {"major_faults": 11}),
        ("memory_pressure", Verdict.NOISY, {"memory_stall_s": 0.004}, {"memory_stall_s": 0.006}),
        ("timer_coarse", Verdict.NOISY, {"timer_resolution_ns": 99_000}, {"timer_resolution_ns": 101_000}),
    ],
)
def test_each_reason_at_its_threshold(
    reason: str, verdict: Verdict, allowed: dict[str, Any], doubted: dict[str, Any]
) -> None:
    good = conditions()
    assert judged(good, good, conditions(**allowed)) == (Verdict.VALID, ())
    assert judged(good, good, conditions(**doubted)) == (verdict, (reason,))


def test_denormal_outputs_are_doubted() -> None:
    good = conditions()
    assert judged(good, good, good, outputs_normal=False) == (Verdict.NOISY, ("denormal_output",))


def test_what_is_unknown_is_no_reason() -> None:
    nothing = conditions(
        before={},
        after={},
        **dict.fromkeys(
            (
                "other_load_cores",
                "steal_cores",
                "throttle_events",
                "cpu_limit_s",
                "memory_stall_s",
                "energy_joules",
            )
        ),
    )
    assert judged(nothing, None, nothing) == (Verdict.VALID, ())


def test_conditions_belong_to_their_run() -> None:
    """A coarse timer is judged by the median of its own run, not by another's."""
    coarse, fine = conditions(timer_resolution_ns=101_000), conditions()
    runs = [run_of(10.0), run_of(10.2), run_of(10.2)]
    assert judged(coarse, fine, fine, runs=runs)[1] == ("timer_coarse",)
    assert judged(fine, coarse, fine, runs=runs)[1] == ()


def test_energy_is_the_median_of_the_runs_that_know_it() -> None:
    runs = [run_of()] * 4
    known = [conditions(energy_joules={"package-0": joules, "package-1": 1.0}) for joules in (1.0, 2.0, 9.0)]
    assert energy_mj_per_inference(runs, [*known, None]) == pytest.approx(30.0)
    assert energy_mj_per_inference(runs[:1], [None]) is None
    assert energy_mj_per_inference(runs[:1], [conditions(energy_joules={"psys": 4.0})]) is None


def test_parts_of_a_package_are_not_counted_twice() -> None:
    energy = {"package-0": 10.0, "package-0/core": 6.0, "package-0/dram": 1.0, "psys": 20.0}
    assert conditions(energy_joules=energy).package_joules == 10.0


def test_the_worked_numbers_of_the_docs() -> None:
    text = " ".join((Path(__file__).parents[2] / "docs/concepts.md").read_text(encoding="utf-8").split())
    load = re.search(
        r"with (\d+) logical cores a run of (\d+) s in which they worked (\d+) s, (\d+) s of that for the "
        r"run, had \((\d+) . (\d+)\) ÷ (\d+) = ([\d.]+) cores of other load, more than the 2 % × \d+ = "
        r"([\d.]+)",
        text,
    )
    assert load
    cores, seconds, all_s, own_s, *again, other, allowed = (float(word) for word in load.groups())
    assert again == [all_s, own_s, seconds]
    assert (all_s - own_s) / seconds == pytest.approx(other)
    assert max(MIN_OTHER_LOAD, MAX_OTHER_LOAD * cores) == pytest.approx(allowed)

    energy = re.search(r"(\d+) J of the CPU packages in a run of (\d+) iterations .*? = (\d+) mJ per", text)
    assert energy
    joules, iterations, millijoules = (int(word) for word in energy.groups())
    run = RunSummary(latency_ms=np.full(iterations, 1.0), median_ms=1.0, busy_s=1.0, wall_s=1.0)
    known = [conditions(energy_joules={"package-0": float(joules)})]
    assert energy_mj_per_inference([run], known) == pytest.approx(millijoules)
