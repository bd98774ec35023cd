"""The job: what one machine has to measure in one campaign."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from protocol.documents import Document, Record, Step
from protocol.layout import CampaignId, FileName, MachineName, ModelName, Sha256, TestId
from protocol.release import AskedRelease

__all__ = [
    "AUTO",
    "MAX_ITERATIONS",
    "CoreType",
    "Count",
    "ExecutionMode",
    "Hint",
    "InferencePrecision",
    "Input",
    "Job",
    "Limits",
    "Measure",
    "ModelFile",
    "ModelRef",
    "PlannedTest",
    "Preprocess",
    "PropertyName",
    "Scenario",
    "ScheduledRun",
    "Switch",
    "TimedRegion",
]

AUTO: Literal["auto"] = "auto"
MAX_ITERATIONS = 10_000_000
"""Of one run: as many as a result has room for."""

Count = Annotated[int, Field(ge=1, le=65536)] | Literal["auto"]
"""A number that the user may leave to OpenVINO."""
Switch = Literal["auto", "yes", "no"]
"""On, off, or left to OpenVINO."""
InferencePrecision = Literal["auto", "f32", "bf16", "f16", "dynamic"]
"""What floating-point layers are computed in; `dynamic`: each as the model says."""
ExecutionMode = Literal["auto", "performance", "accuracy"]
CoreType = Literal["auto", "any", "pcore", "ecore"]
"""The cores of a hybrid CPU that inference may use."""
TimedRegion = Literal["inference", "with_input_copy"]
"""What a latency is: `inference`, from the start of a request to its completion, its inputs already in its
tensors; `with_input_copy`, also the copying of the inputs to there."""
PropertyName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
"""OpenVINO's name of a property: `ENABLE_CPU_RESERVATION`."""

_MIN_DURATION_S = 0.25


class Scenario(StrEnum):
    """How requests are issued."""

    SYNC = "sync"
    """One infer request, one inference after another."""
    ASYNC = "async"
    """A pool of infer requests, each started again as soon as it is idle."""


class Hint(StrEnum):
    """OpenVINO's performance hint; `none` sets no hint at all."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"
    CUMULATIVE_THROUGHPUT = "cumulative_throughput"
    NONE = "none"


class ModelFile(Record):
    """One file of a model."""

    name: FileName
    size: int = Field(ge=0)
    sha256: Sha256


class ModelRef(Record):
    """A model on the server.

    `sha256` is that of the file where there is one, and of the files' listing in the format of the
    `sha256sum` command, sorted by name, where there are several. `entry` is the file that OpenVINO reads.
    """

    name: ModelName
    precision: str = Field(max_length=32)
    sha256: Sha256
    entry: FileName
    files: tuple[ModelFile, ...] = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _entry_is_a_file(self) -> Self:
        if self.entry not in {file.name for file in self.files}:
            raise ValueError(f"entry {self.entry} is none of the files")
        return self


class Preprocess(Record):
    """What the compiled model does with an input before the model itself; see `protocol.preprocessing`."""

    layout: str = Field(max_length=8)
    """Of what is fed."""
    model_layout: str = Field(max_length=8)
    model_shape: tuple[Annotated[int, Field(ge=0, le=1 << 31)], ...] = Field(max_length=16)
    """The shape of the model's own input."""
    mean: tuple[float, ...] = Field(default=(), max_length=4096)
    scale: tuple[float, ...] = Field(default=(), max_length=4096)
    reverse_channels: bool = False


class Input(Record):
    """One input of a model: its shape with the batch in place, and what it is filled with.

    Floating-point inputs get uniform values in [low, high), integer ones uniform integers in the same
    interval, boolean ones `low` and above as true.
    """

    name: str = Field(max_length=1024)
    shape: tuple[Annotated[int, Field(ge=0, le=1 << 31)], ...] = Field(max_length=16)
    element_type: str = Field(max_length=32)
    """OpenVINO's name of the type: f32, i64, u8, …"""
    low: float = 0.0
    high: float = 1.0
    preprocess: Preprocess | None = None
    """None: the input is fed as the model takes it. Otherwise shape and type are those of what is fed."""


class PlannedTest(Record):
    """One model in one setting on one machine: a row of the final table."""

    id: TestId
    model: ModelName
    precision: str = Field(max_length=32)
    model_sha256: Sha256
    inputs: tuple[Input, ...] = Field(max_length=256)
    device: str = Field(max_length=256)
    scenario: Scenario
    hint: Hint
    batch: int = Field(ge=1, le=65536)
    streams: Count = AUTO
    threads: Count = AUTO
    requests: Count = AUTO
    inference_precision: InferencePrecision = AUTO
    execution_mode: ExecutionMode = AUTO
    pinning: Switch = AUTO
    """Whether threads of inference stay on their cores."""
    hyper_threading: Switch = AUTO
    """Whether both threads of a core are used."""
    core_type: CoreType = AUTO
    hint_requests: Count = AUTO
    """How many requests the performance hint may count on."""
    cache: Switch = AUTO
    """Whether compiled models are kept in a folder that the agent chooses."""
    properties: dict[PropertyName, Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict, max_length=64
    )
    """Further properties of OpenVINO, as text: `YES` and `NO` for booleans."""
    timed_region: TimedRegion = "inference"
    openvino: AskedRelease = AUTO
    """The release that measures it. An agent with another one does not carry the test out."""


class Measure(Record):
    """How long each run measures."""

    duration_s: float = Field(default=5.0, gt=0, le=86400)
    """A run measures at most this long, but for `min_iterations`."""
    min_duration_s: float = Field(default=_MIN_DURATION_S, gt=0, le=86400)
    """A run measures at least this long, but for `max_iterations`. The default never exceeds `duration_s`."""
    interval_target: float | None = Field(default=0.01, gt=0, lt=1)
    """A run stops as soon as the 95 % interval of its median is narrower than ± this share of it; None: it
    measures for `duration_s`."""
    min_iterations: int = Field(default=10, ge=1, le=MAX_ITERATIONS)
    max_iterations: int = Field(default=1_000_000, ge=1, le=MAX_ITERATIONS)
    """A run stops here even before its time is up."""
    warmup_s: float = Field(default=0.5, ge=0, le=3600)
    """Every infer request is warmed up once, and then the pool goes on until this time is up."""

    @model_validator(mode="before")
    @classmethod
    def _short_runs_need_no_second_key(cls, given: Any) -> Any:
        if isinstance(given, dict) and "min_duration_s" not in given:
            duration_s = given.get("duration_s")
            if isinstance(duration_s, int | float) and 0 < duration_s < _MIN_DURATION_S:
                return {**given, "min_duration_s": float(duration_s)}
        return given

    @model_validator(mode="after")
    def _least_is_no_more_than_most(self) -> Self:
        if self.min_duration_s > self.duration_s:
            raise ValueError(
                f"min_duration_s ({self.min_duration_s:g}) is more than duration_s ({self.duration_s:g})"
            )
        return self


class Limits(Record):
    """What a run may take before it is ended."""

    run_timeout_s: float = Field(default=300.0, gt=0, le=7 * 86400)
    """From the start of the run's process to its end."""
    memory_mb: int | None = Field(default=None, ge=64)
    """Address space of the run's process in MiB; no limit by default."""


class ScheduledRun(Record):
    """One execution of one test."""

    test: TestId
    run: int = Field(ge=0, le=9999)


def _to_version_2(job: dict[str, Any]) -> dict[str, Any]:
    """Before there was a target, a run measured for its time; the default would end it sooner."""
    measure = job.get("measure")
    return {**job, "measure": {"interval_target": None, **measure}} if isinstance(measure, dict) else job


def _to_version_3(job: dict[str, Any]) -> dict[str, Any]:
    """Before a test could ask for a release, it was measured by whichever was there."""
    return job


class Job(Document):
    """The tests of one machine in one campaign, and the order of their runs."""

    kind: ClassVar[str] = "job"
    current_version: ClassVar[int] = 3
    steps: ClassVar[Mapping[int, Step]] = {1: _to_version_2, 2: _to_version_3}
    max_bytes: ClassVar[int] = 64 << 20

    schema_version: Literal[3] = 3
    campaign: CampaignId
    machine: MachineName
    created_at: AwareDatetime
    seed: int
    measure: Measure
    limits: Limits
    models: tuple[ModelRef, ...]
    tests: tuple[PlannedTest, ...]
    schedule: tuple[ScheduledRun, ...]

    @model_validator(mode="after")
    def _refers_to_itself(self) -> Self:
        models = {model.sha256 for model in self.models}
        tests = {test.id for test in self.tests}
        if len(tests) != len(self.tests):
            raise ValueError("two tests have one id")
        for test in self.tests:
            if test.model_sha256 not in models:
                raise ValueError(f"test {test.id} needs a model that is not listed")
        runs = {(entry.test, entry.run) for entry in self.schedule}
        if len(runs) != len(self.schedule):
            raise ValueError("a run is scheduled twice")
        if unknown := {test for test, _ in runs} - tests:
            raise ValueError(f"runs of tests that are not listed: {', '.join(sorted(unknown))}")
        return self
