"""What the agent tells a run to do, and how the two exchange files.

A run has a folder of its own. The agent writes `spec.json`; the run keeps `phase` up to date, and writes the
raw times, `start_ns` and `latency_ns` as little-endian unsigned 64-bit numbers, and `report.json` last. Files
instead of pipes: nothing that outlives the run can hold the agent up.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["LATENCIES", "PHASE", "REPORT", "SPEC", "STARTS", "STDERR", "STDOUT", "InputSpec", "RunSpec"]

SPEC = "spec.json"
PHASE = "phase"
REPORT = "report.json"
STARTS = "start_ns"
LATENCIES = "latency_ns"
STDOUT = "stdout"
STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input as it is fed: shape with the batch in place, OpenVINO's type name, interval of its values."""

    name: str
    shape: tuple[int, ...]
    element_type: str
    low: float
    high: float
    preprocess: dict[str, Any] | None = None
    """Fields of `protocol.preprocessing.Preprocessing` beside shape and type."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. `streams`, `threads` and `requests` are None where OpenVINO decides."""

    model: str
    inputs: tuple[InputSpec, ...]
    device: str
    scenario: str
    hint: str
    streams: int | None
    threads: int | None
    requests: int | None
    duration_s: float
    min_iterations: int
    max_iterations: int
    warmup_s: float
    memory_mb: int | None
    seed: int
    timed_region: str = "inference"
    """`inference`, or `with_input_copy`."""
    interval_target: float | None = None
    """A run ends when the interval of its median is narrower than ± this share; None: only time counts."""
    min_duration_s: float = 0.0
    settings: dict[str, str] = field(default_factory=dict)
    """Further settings that are not left to OpenVINO, by their fields in `protocol.job.PlannedTest`."""
    properties: dict[str, str] = field(default_factory=dict)
    """Further properties by OpenVINO's names."""
    cache_dir: str | None = None
    """Where compiled models are kept; empty for nowhere, None to leave it to OpenVINO."""

    def write(self, folder: Path) -> None:
        """Write the spec into the run's folder."""
        (folder / SPEC).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> RunSpec:
        """Read the spec from the run's folder."""
        raw: dict[str, Any] = json.loads((folder / SPEC).read_text())
        raw["inputs"] = tuple(
            InputSpec(**{**entry, "shape": tuple(entry["shape"])}) for entry in raw["inputs"]
        )
        return cls(**raw)
