"""Small real models, jobs around them, and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from integrator.models import model_sha256
from integrator.topologies.opset import ops
from protocol.engine import openvino as ov
from protocol.job import (
    Hint,
    Input,
    Job,
    Limits,
    Measure,
    ModelFile,
    ModelRef,
    PlannedTest,
    Scenario,
    ScheduledRun,
)
from protocol.samples import Samples

CAMPAIGN = "tiny-20260101-000000"


def make_tiny_model(channels: int = 4) -> ov.Model:
    """Two convolutions over 3 × 32 × 32: some ten microseconds of work, seeded."""
    random = np.random.default_rng(7)
    parameter = ops.parameter([1, 3, 32, 32], ov.Type.f32, name="image")
    parameter.output(0).get_tensor().set_names({"image"})
    node = parameter
    for number, inputs in enumerate((3, channels)):
        weights = ops.constant(random.normal(0, 0.1, (channels, inputs, 3, 3)).astype(np.float32))
        node = ops.relu(ops.convolution(node, weights, [1, 1], [1, 1], [1, 1], [1, 1]), name=f"relu{number}")
    return ov.Model([ops.result(node)], [parameter], "tiny")


def reference(files: list[Path], *, name: str = "tiny", precision: str = "FP32") -> ModelRef:
    """The job's entry for files on disk, whatever is in them."""
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return ModelRef(
        name=name,
        precision=precision,
        sha256=model_sha256(hashes),
        entry=files[0].name,
        files=tuple(ModelFile(name=f.name, size=f.stat().st_size, sha256=hashes[f.name]) for f in files),
    )


def planned_test(model: ModelRef, **changes: Any) -> PlannedTest:
    """A test of the tiny model, with some fields changed."""
    scenario = Scenario(changes.get("scenario", Scenario.SYNC))
    batch = changes.get("batch", 1)
    fields: dict[str, Any] = {
        "id": f"{model.name.lower()}-{scenario}-b{batch}",
        "model": model.name,
        "precision": model.precision,
        "model_sha256": model.sha256,
        "inputs": (Input(name="image", shape=(batch, 3, 32, 32), element_type="f32"),),
        "device": "CPU",
        "scenario": scenario,
        "hint": Hint.LATENCY if scenario is Scenario.SYNC else Hint.THROUGHPUT,
        "batch": batch,
    }
    return PlannedTest(**{**fields, **changes})


def make_samples(starts_ms: Sequence[float], latencies_ms: Sequence[float], **changes: Any) -> Samples:
    """Samples of one segment whose time was up, with some fields changed."""
    starts, latencies = (
        np.rint(np.array(values) * 1e6).astype(np.uint64).tobytes() for values in (starts_ms, latencies_ms)
    )
    fields: dict[str, Any] = {"wall_ns": 10**9, "segments": 1, "stopped": "time", "harness_ns": 0.0}
    return Samples.pack(starts, latencies, **{**fields, **changes})


def make_job(models: list[ModelRef], tests: list[PlannedTest], *, runs: int = 2, **changes: Any) -> Job:
    """The job of the machine `box`, with some fields changed."""
    fields: dict[str, Any] = {
        "campaign": CAMPAIGN,
        "machine": "box",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "seed": 1,
        "measure": Measure(duration_s=0.05, min_iterations=20, warmup_s=0.01),
        "limits": Limits(run_timeout_s=60),
        "models": tuple(models),
        "tests": tuple(tests),
        "schedule": tuple(ScheduledRun(test=t.id, run=r) for r in range(runs) for t in tests),
    }
    return Job(**{**fields, **changes})
