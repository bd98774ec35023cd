"""The result of one run: what happened, what was set, and every latency."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from protocol.documents import Document, Record, Step
from protocol.job import TimedRegion
from protocol.layout import CampaignId, MachineName, Sha256, TestId
from protocol.result_version_1 import to_version_2
from protocol.samples import Samples

__all__ = [
    "CompiledSettings",
    "Conditions",
    "FedInput",
    "Phases",
    "Result",
    "Status",
    "Surroundings",
]


_Word = Annotated[str, Field(max_length=256)]
"""What OpenVINO says in a word or a few: it stands in the table and on the site."""


class Status(StrEnum):
    """How a run, or a test, ended."""

    OK = "ok"
    FAILED = "failed"
    """The run said so itself: OpenVINO raised an error."""
    TIMEOUT = "timeout"
    """The run was ended because its time was up."""
    CRASHED = "crashed"
    """A signal ended the run, or the agent ended twice in its course."""
    OUT_OF_MEMORY = "out_of_memory"
    UNSUPPORTED = "unsupported"
    """The device is not on this machine, or does not run this model."""
    NOT_RUN = "not_run"


class Phases(Record):
    """What a run's time went to, in milliseconds; null where the run did not get that far."""

    import_ms: float | None = None
    """Loading OpenVINO and numpy."""
    read_ms: float | None = None
    """Reading and reshaping the model."""
    compile_ms: float | None = None
    prepare_ms: float | None = None
    """Making the infer requests and filling their inputs."""
    first_inference_ms: float | None = None
    warmup_ms: float | None = None
    measure_ms: float | None = None
    total_ms: float
    """From the start of the run's process to its end, as the agent saw it."""


class CompiledSettings(Record):
    """What the compiled model reports of itself, which may differ from what was asked."""

    streams: int | None = None
    threads: int | None = None
    requests: int | None = None
    """The infer requests that were used."""
    optimal_requests: int | None = None
    hint: _Word | None = None
    inference_precision: _Word | None = None
    execution_mode: _Word | None = None
    pinning: bool | None = None
    hyper_threading: bool | None = None
    core_type: _Word | None = None
    hint_requests: int | None = None
    loaded_from_cache: bool | None = None
    """Whether the compiled model came from a cache, so that compiling took no time."""
    execution_devices: tuple[_Word, ...] = Field(default=(), max_length=64)
    device_requests: dict[str, int] = Field(default_factory=dict)
    """AUTO, MULTI, HETERO, BATCH: optimal number of infer requests of each device behind it."""
    split: dict[str, int] = Field(default_factory=dict)
    """HETERO: operations of the model on each device; constants, inputs and outputs are not counted."""
    properties: dict[str, str] = Field(default_factory=dict)
    """Every readable property, as text; those of a device behind another as `CPU.NUM_STREAMS`."""


class FedInput(Record):
    """What one input of the compiled model takes, preprocessing included."""

    name: str = Field(max_length=1024)
    shape: tuple[int, ...] = Field(max_length=16)
    element_type: str = Field(max_length=32)


class Surroundings(Record):
    """What the machine was like at one moment. Null is unknown; `Conditions.unknown` says why."""

    load_1min: float | None = None
    runnable_threads: int | None = None
    frequency_min_hz: int | None = None
    frequency_median_hz: int | None = None
    frequency_max_hz: int | None = None
    """Of the cores, at most 32 of them, evenly chosen."""
    temperature_c: float | None = None
    """Of the hottest CPU package."""
    available_memory_bytes: int | None = None


class Conditions(Record):
    """The machine while a run measured: right before, right after, and what happened in between.

    Read by the run's own process outside of the timed region. Null is unknown, and `unknown` says why.
    """

    seconds: float = Field(gt=0)
    """Between the two readings."""
    timer_resolution_ns: int = Field(gt=0)
    """Of the clock that latencies are taken by."""
    logical_cores: int = Field(gt=0)
    before: Surroundings
    after: Surroundings
    process_cpu_s: float = Field(ge=0)
    """CPU time of the run's own process."""
    other_load_cores: float | None = None
    """CPU time of everything else, in cores: 1 is one core kept busy all the time."""
    steal_cores: float | None = None
    """CPU time that a hypervisor gave to others while this machine wanted it, in cores."""
    throttle_events: int | None = None
    """Times that a core or a package was slowed down for heat."""
    cpu_limit_hits: int | None = None
    """Periods in which the control group's CPU limit stopped it."""
    cpu_limit_s: float | None = None
    """For how long it was stopped, all its threads together."""
    cpu_stall_s: float | None = None
    """Time in which some task waited for a CPU (PSI)."""
    memory_stall_s: float | None = None
    """Time in which some task waited for memory (PSI)."""
    major_faults: int = Field(ge=0)
    """Pages that the process had to fetch from a disk."""
    voluntary_switches: int = Field(ge=0)
    involuntary_switches: int = Field(ge=0)
    energy_joules: dict[str, float] | None = None
    """By RAPL domain: `package-0`, `package-0/dram`, `psys`, …"""
    unknown: dict[str, str] = Field(default_factory=dict)
    """Why a value is null: its name to a sentence."""

    @property
    def package_joules(self) -> float | None:
        """Energy of all CPU packages; None where no RAPL counter can be read."""
        packages = [
            joules
            for domain, joules in (self.energy_joules or {}).items()
            if re.fullmatch(r"package-\d+", domain)
        ]
        return sum(packages) if packages else None


class Result(Document):
    """One run of one test."""

    kind: ClassVar[str] = "result"
    current_version: ClassVar[int] = 2
    steps: ClassVar[Mapping[int, Step]] = {1: to_version_2}
    # 10 million inferences at worst: 2 × 8 bytes each that do not compress, in base64, are 204 MiB. 4 MiB for
    # the rest, as in other documents.
    max_bytes: ClassVar[int] = 208 << 20
    max_plain_bytes: ClassVar[int] = 4 << 20

    schema_version: Literal[2] = 2
    campaign: CampaignId
    machine: MachineName
    test: TestId
    run: int = Field(ge=0, le=9999)
    model_sha256: Sha256
    status: Status
    reason: Annotated[str, Field(max_length=20_000)] = ""
    """Why the status is not ok, in words; the full text of an exception where there was one."""
    started_at: AwareDatetime
    openvino_version: _Word | None = None
    timed_region: TimedRegion = "inference"
    preprocessing: bool = False
    """Whether the compiled model does preprocessing, which is then in the timed region."""
    inputs: tuple[FedInput, ...] = Field(default=(), max_length=256)
    compiled: CompiledSettings | None = None
    phases: Phases
    warmup_inferences: int | None = None
    outputs_finite: bool | None = None
    """Whether all outputs of the last inference are finite numbers."""
    outputs_normal: bool | None = None
    """Whether no FP32 or FP64 output of the last inference is denormal: so small that CPUs are slow at it."""
    conditions: Conditions | None = None
    samples: Samples | None = None

    @model_validator(mode="after")
    def _ok_means_measured(self) -> Self:
        if self.status is Status.OK and (self.samples is None or self.samples.latency_ns.count == 0):
            raise ValueError("status ok without samples")
        if self.status is not Status.OK and not self.reason:
            raise ValueError(f"status {self.status} without a reason")
        return self
