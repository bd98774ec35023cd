"""What is kept of a test beyond its row, while its latencies are at hand. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from integrator.merged import MergedTest
from integrator.site.cells import clean_text
from integrator.site.explain.repeat import CAMPAIGN_FILE, COMMAND, benchmark_app_command, campaign_yaml
from integrator.site.explain.settings import settings_of
from integrator.site.source import TestDetail
from protocol.job import PlannedTest
from protocol.layout import result_name
from protocol.result import Conditions, Result

__all__ = ["CONDITIONS", "PHASES", "SHARES", "detail_of", "quantiles"]

SHARES: tuple[float, ...] = (
    *(0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04),
    *(round(0.05 + 0.025 * step, 3) for step in range(37)),
    *(0.96, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0),
)
"""The shares of a run's latencies for which its distribution is kept: dense where the tails are."""

PHASES = {
    "import_ms": "load OpenVINO",
    "read_ms": "read the model",
    "compile_ms": "compile it",
    "prepare_ms": "make requests, fill inputs",
    "first_inference_ms": "first inference",
    "warmup_ms": "warm up",
    "measure_ms": "measure",
    "total_ms": "whole process",
}
"""In words; all in milliseconds."""

_Reader = Callable[[Conditions], float | None]


def _mhz(value: float | None) -> float | None:
    return None if value is None else value / 1e6


CONDITIONS: dict[str, tuple[str, str, str, _Reader]] = {
    "other_load": ("other load", "cores", "other_load_cores", lambda c: c.other_load_cores),
    "steal": ("stolen by the hypervisor", "cores", "steal_cores", lambda c: c.steal_cores),
    "load_1min": ("load average before", "", "load_1min", lambda c: c.before.load_1min),
    "mhz_before": (
        "fastest core before",
        "MHz",
        "frequency_max_hz",
        lambda c: _mhz(c.before.frequency_max_hz),
    ),
    "mhz_after": ("fastest core after", "MHz", "frequency_max_hz", lambda c: _mhz(c.after.frequency_max_hz)),
    "celsius_before": ("temperature before", "°C", "temperature_c", lambda c: c.before.temperature_c),
    "celsius_after": ("temperature after", "°C", "temperature_c", lambda c: c.after.temperature_c),
    "throttle_events": ("throttle events", "", "throttle_events", lambda c: c.throttle_events),
    "cpu_limit_s": ("stopped by a CPU limit", "s", "cpu_limit_s", lambda c: c.cpu_limit_s),
    "cpu_stall_s": ("waited for a CPU", "s", "cpu_stall_s", lambda c: c.cpu_stall_s),
    "memory_stall_s": ("waited for memory", "s", "memory_stall_s", lambda c: c.memory_stall_s),
    "memory_gib": (
        "available memory after",
        "GiB",
        "available_memory_bytes",
        lambda c: None if (n := c.after.available_memory_bytes) is None else n / (1 << 30),
    ),
    "major_faults": ("pages fetched from a disk", "", "major_faults", lambda c: c.major_faults),
    "involuntary_switches": (
        "involuntary switches",
        "",
        "involuntary_switches",
        lambda c: c.involuntary_switches,
    ),
    "process_cpu_s": ("CPU time of the run", "s", "process_cpu_s", lambda c: c.process_cpu_s),
    "energy_j": ("energy of the CPU packages", "J", "energy_joules", lambda c: c.package_joules),
}
"""Each condition of a run: its words, its unit, the field whose absence `Conditions.unknown` explains."""

_DIGITS = 6
_NOT_KEPT = ("SUPPORTED_PROPERTIES", "UUID", "LUID")


def detail_of(test: MergedTest, *, builtin: Collection[str], agent: str | None = None) -> TestDetail:
    """Runs, settings, conditions, and how to repeat it, as values for JSON; all texts are clean.

    Args:
        test: The test with all that came back.
        builtin: Names of models that need no file.
        agent: The version of fleetmark that measured; None: not known.
    """
    results = test.results
    compiled = next((result.compiled for result in results if result.compiled), None)
    fed = next((result.inputs for result in results if result.inputs), ())
    model = next(model for model in test.job.models if model.sha256 == test.test.model_sha256)
    return {
        "runs": _runs(test),
        "phases": {key: _column([getattr(r.phases, key) for r in results]) for key in PHASES}
        if results
        else {},
        "conditions": _conditions(results),
        "unknown": _unknown(results),
        "settings": settings_of(test.test, results),
        "properties": _properties(compiled.properties) if compiled else {},
        "model": {
            "sha256": model.sha256,
            "files": [file.model_dump(mode="json") for file in model.files],
            "inputs": _inputs(test.test),
            "fed": [f"{entry.name} {list(entry.shape)} {entry.element_type}" for entry in fed],
        },
        "measure": {**test.job.measure.model_dump(mode="json"), **test.job.limits.model_dump(mode="json")},
        "agent": clean_text(agent) if agent else None,
        "repeat": {
            "command": COMMAND,
            "file": CAMPAIGN_FILE,
            "campaign": campaign_yaml(test.job, test.test, max(test.planned, 1), builtin=builtin),
            "benchmark_app": benchmark_app_command(test.job, test.test),
        },
    }


def quantiles(values: npt.NDArray[np.float64]) -> list[float]:
    """For each of `SHARES`, the smallest value that at least that share of the values do not exceed."""
    ordered = np.sort(values)
    # What 0.07 × 100 is, a little above 7, is still the seventh value.
    places = np.ceil(np.array(SHARES) * ordered.size - 1e-9).astype(np.int64) - 1
    return [rounded(value) for value in ordered[np.clip(places, 0, None)].tolist()]


def rounded(value: float, digits: int = _DIGITS) -> float:
    """To so many significant digits; whole numbers without a fraction."""
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def _column(values: Sequence[float | None]) -> list[float | None]:
    return [
        None if value is None or not math.isfinite(value) else rounded(value, _DIGITS) for value in values
    ]


def _runs(test: MergedTest) -> dict[str, list[Any]]:
    results, summaries = test.results, test.summaries
    known = [summaries.get(result.run) for result in results]
    return {
        "run": [result.run for result in results],
        "status": [result.status.value for result in results],
        "reason": [clean_text(result.reason) for result in results],
        "started_at": [result.started_at.isoformat(timespec="seconds") for result in results],
        "median_ms": [run.median_ms if run else None for run in known],
        "throughput_fps": [
            test.throughput_fps(result.run) if result.run in summaries else None for result in results
        ],
        "iterations": [run.iterations if run else None for run in known],
        "wall_s": _column([run.wall_s if run else None for run in known]),
        "stopped": [result.samples.stopped if result.samples else None for result in results],
        "file": [result_name(result.test, result.run) for result in results],
        "quantiles": [quantiles(run.latency_ms) if run else None for run in known],
    }


def _conditions(results: Sequence[Result]) -> dict[str, list[float | None]]:
    """By condition a value for each run, null where it is unknown."""
    found = [result.conditions for result in results]
    if not any(found):
        return {}
    return {
        key: _column([read(one) if one else None for one in found])
        for key, (_, _, _, read) in CONDITIONS.items()
    }


def _unknown(results: Sequence[Result]) -> dict[str, str]:
    """By condition why it is null, in the words of the first run that says so."""
    reasons: dict[str, str] = {}
    for result in results:
        if result.conditions:
            reasons = {**result.conditions.unknown, **reasons}
    return {
        key: clean_text(reasons[field]) for key, (_, _, field, _) in CONDITIONS.items() if field in reasons
    }


def _properties(properties: dict[str, str]) -> dict[str, str]:
    """Of the compiled model, without the list of their names, and without what names the very device."""
    return {
        clean_text(name): clean_text(value)
        for name, value in sorted(properties.items())
        if not name.endswith(_NOT_KEPT)
    }


def _inputs(test: PlannedTest) -> list[dict[str, object]]:
    return [
        {
            "name": clean_text(entry.name),
            "shape": list(entry.shape),
            "element_type": clean_text(entry.element_type),
            "low": entry.low,
            "high": entry.high,
            "preprocess": entry.preprocess.model_dump(mode="json", exclude_defaults=True)
            if entry.preprocess
            else None,
        }
        for entry in test.inputs
    ]
