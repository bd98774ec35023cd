"""Random campaigns as tables: for properties, for speed, and for pictures with many machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from integrator.columns import COLUMNS

TASKS = ("image classification", "object detection", "segmentation", "text", "speech", "pose")
_FAILURES = {
    "failed": "run 1 of 6: Check 'is_dynamic()' failed: unsupported operation ScatterNDUpdate",
    "timeout": "run 2 of 6: ended after 300 s, as limits.run_timeout_s says",
    "out_of_memory": "run 1 of 6: cannot allocate 6,442,450,944 bytes: the limit is 4,096 MiB",
    "not_run": "not run yet: the campaign was not finished when this table was made",
}


def lab(
    machines: int = 5,
    models: int = 6,
    *,
    seed: int = 0,
    precisions: tuple[str, ...] = ("FP32", "INT8"),
    batches: tuple[int, ...] = (1, 8),
    bad: float = 0.08,
    doubtful: float = 0.08,
) -> pd.DataFrame:
    """Every model on every machine, sync and async, in each precision and batch; some of it goes wrong.

    Args:
        machines: how many.
        models: how many.
        seed: the same table each time.
        precisions: of the models' files.
        batches: frames in one inference.
        bad: the share of tests that are not ok.
        doubtful: the share of the others that are noisy, invalid, or have too few runs or samples.
    """
    generator = np.random.default_rng(seed)
    grid = pd.MultiIndex.from_product(
        [
            [f"box-{number:02d}" for number in range(machines)],
            [f"model-{number:02d}" for number in range(models)],
            list(precisions),
            ["sync", "async"],
            list(batches),
        ],
        names=["machine", "model", "precision", "scenario", "batch"],
    )
    table = grid.to_frame(index=False)
    count = len(table)
    speed = np.exp(generator.normal(0, 0.8, machines)).repeat(count // max(machines, 1))
    weight = np.tile(
        np.exp(generator.normal(2.5, 1, models)).repeat(count // max(machines * models, 1)), machines
    )
    asynchronous = (table["scenario"] == "async").to_numpy()
    latency = speed * weight * table["batch"] * np.where(table["precision"] == "INT8", 0.5, 1)
    latency = latency * np.exp(generator.normal(0, 0.05, count)) * np.where(asynchronous, 2.0, 1)
    throughput = 1000 * table["batch"] / latency * np.where(asynchronous, 3.2, 0.99)
    wide = np.exp(generator.uniform(0.002, 0.06, count))
    table = table.assign(
        campaign="random",
        device=np.where(generator.random(count) < 0.3, "GPU", "CPU"),
        hint=np.where(asynchronous, "throughput", "latency"),
        streams=np.where(asynchronous, 4, 1),
        threads=8,
        requests=np.where(asynchronous, 4, 1),
        status="ok",
        verdict="valid",
        runs=6,
        iterations=2000,
        latency_ms=latency,
        latency_low_ms=latency / wide,
        latency_high_ms=latency * wide,
        latency_p90_ms=latency * 1.1,
        latency_p95_ms=latency * 1.2,
        latency_p99_ms=latency * 1.5,
        latency_p95_high_ms=latency * 1.25,
        latency_p99_high_ms=latency * 1.7,
        fps=throughput,
        throughput_fps=throughput,
        throughput_low_fps=throughput / wide,
        throughput_high_fps=throughput * wide,
        single_pass_ms=latency,
        compile_ms=latency * 30,
        first_inference_ms=latency * 2,
        openvino_version="2026.4.1",
        openvino="auto",
        timed_region="inference",
        test_id=[f"test-{number % (count // max(machines, 1) or 1)}" for number in range(count)],
    ).astype(object)
    columns = {str(key): np.array(table[key].to_numpy(dtype=object)) for key in table}
    columns |= {key: np.full(count, None, dtype=object) for key in ("reason", "verdict_reasons")}
    numbers = [name for name in columns if name.endswith(("_ms", "_fps")) or name == "fps"]
    outcomes = generator.random(count)
    for place in np.flatnonzero(outcomes < bad).tolist():
        status = str(generator.choice(list(_FAILURES)))
        columns["status"][place], columns["reason"][place] = status, _FAILURES[status]
        for key in ("verdict", *numbers):
            columns[key][place] = None
    for place in np.flatnonzero((outcomes >= bad) & (outcomes < bad + doubtful)).tolist():
        _doubt(columns, place, str(generator.choice(["noisy", "invalid", "runs", "samples"])))
    return pd.DataFrame(columns).reindex(columns=list(COLUMNS))


def tasks(models: int) -> dict[str, str]:
    """Of a lab's models; the last has none."""
    return {f"model-{number:02d}": TASKS[number % len(TASKS)] for number in range(models - 1)}


def _doubt(columns: dict[str, Any], place: int, kind: str) -> None:
    changes: dict[str, str]
    if kind in {"noisy", "invalid"}:
        changes = {"verdict": kind, "verdict_reasons": "other_load drift"}
    elif kind == "samples":
        changes = dict.fromkeys(("latency_p99_ms", "latency_p99_high_ms"), "needs 412 more")
    else:
        ends = ("latency_low_ms", "latency_high_ms", "throughput_low_fps", "throughput_high_fps")
        changes = dict.fromkeys((*ends, "latency_p95_high_ms", "latency_p99_high_ms"), "needs 3 more runs")
    for key, value in changes.items():
        columns[key][place] = value
