"""The dimensions of a campaign: `matrix`, and the rules of `exclude` and `include` that speak of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from integrator.config.values import (
    BatchSize,
    CampaignDevice,
    CountChoice,
    Dimension,
    HintChoice,
    OneOrMore,
    PrecisionChoice,
    ScenarioChoice,
    refusal,
)
from protocol.documents import Record
from protocol.job import AUTO, Scenario
from protocol.layout import MachineName, ModelName

__all__ = ["DIMENSIONS", "Extra", "Matrix", "Rule"]

DIMENSIONS = {
    "device": "devices",
    "precision": "precisions",
    "scenario": "scenarios",
    "batch": "batch",
    "hint": "hint",
    "streams": "streams",
    "threads": "threads",
    "requests": "requests",
}
"""The key of each dimension in a rule, and in `matrix`; in the order in which tests are listed."""

_DEVICES = (
    "OpenVINO devices: CPU, GPU, GPU.1, NPU, AUTO, or a composite such as AUTO:GPU,CPU, MULTI:GPU,CPU, "
    "HETERO:GPU,CPU, BATCH:GPU. GPU and GPU.0 are the same."
)
_PRECISIONS = "Precisions of the weights: native (as the model is), FP32, FP16."
_SCENARIOS = "How requests are issued: sync (one after another), async (a pool of infer requests)."
_BATCH = "Samples per inference, from 1."
_HINT = (
    "OpenVINO's performance hint: latency, throughput, cumulative_throughput, none, or auto (latency for "
    "sync, throughput for async, none where streams or threads are given)."
)
_STREAMS = "Execution streams, from 1, or auto (OpenVINO's choice)."
_THREADS = "Threads of inference on the CPU, from 1, or auto (OpenVINO's choice)."
_REQUESTS = "Infer requests in flight, from 1, or auto (OpenVINO's choice); sync has one."
_ANY = " A test is matched where it has one of these values. Default: any."

_Devices = Annotated[tuple[CampaignDevice, ...], Dimension]
_Precisions = Annotated[tuple[PrecisionChoice, ...], Dimension]
_Scenarios = Annotated[tuple[ScenarioChoice, ...], Dimension]
_Batches = Annotated[tuple[BatchSize, ...], Dimension]
_Hints = Annotated[tuple[HintChoice, ...], Dimension]
_Counts = Annotated[tuple[CountChoice, ...], Dimension]
_Models = Annotated[tuple[ModelName, ...], OneOrMore("give the name of a model")]
_Machines = Annotated[tuple[MachineName, ...], OneOrMore("give the name of a machine")]


class Matrix(Record):
    """The dimensions of the campaign: every model is measured in every combination of their values."""

    model_config = ConfigDict(title="Matrix")

    devices: _Devices = Field(default=("CPU",), description=f"{_DEVICES} Default: CPU.")
    precisions: _Precisions = Field(default=("native",), description=f"{_PRECISIONS} Default: native.")
    scenarios: _Scenarios = Field(
        default=(Scenario.SYNC, Scenario.ASYNC), description=f"{_SCENARIOS} Default: both."
    )
    batch: _Batches = Field(default=(1,), description=f"{_BATCH} Default: 1.")
    hint: _Hints = Field(default=("auto",), description=f"{_HINT} Default: auto.")
    streams: _Counts = Field(default=(AUTO,), description=f"{_STREAMS} Default: auto.")
    threads: _Counts = Field(default=(AUTO,), description=f"{_THREADS} Default: auto.")
    requests: _Counts = Field(default=(AUTO,), description=f"{_REQUESTS} Default: auto.")


class Rule(Record):
    """Combinations of the matrix that are left out: those that match all the keys that are given.

    A hint matches where it was asked for, and where auto became it.
    """

    # An empty tuple is a key that is not given.

    model_config = ConfigDict(title="Exclude rule")

    model: _Models = Field(default=(), description=f"Names of models.{_ANY}")
    device: _Devices = Field(default=(), description=_DEVICES + _ANY)
    precision: _Precisions = Field(default=(), description=_PRECISIONS + _ANY)
    scenario: _Scenarios = Field(default=(), description=_SCENARIOS + _ANY)
    batch: _Batches = Field(default=(), description=_BATCH + _ANY)
    hint: _Hints = Field(default=(), description=_HINT + _ANY)
    streams: _Counts = Field(default=(), description=_STREAMS + _ANY)
    threads: _Counts = Field(default=(), description=_THREADS + _ANY)
    requests: _Counts = Field(default=(), description=_REQUESTS + _ANY)
    machine: _Machines = Field(default=(), description=f"Names of machines.{_ANY}")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise refusal(f"the rule is empty; give at least one of {', '.join(type(self).model_fields)}")
        return self


class Extra(Record):
    """Tests beyond the matrix: every combination of the values that are given, others at their defaults.

    The exclude rules do not apply to them.
    """

    model_config = ConfigDict(title="Further tests")

    model: _Models = Field(description="Names of models.")
    device: _Devices = Field(default=("CPU",), description=f"{_DEVICES} Default: CPU.")
    precision: _Precisions = Field(default=("native",), description=f"{_PRECISIONS} Default: native.")
    scenario: _Scenarios = Field(
        default=(Scenario.SYNC, Scenario.ASYNC), description=f"{_SCENARIOS} Default: both."
    )
    batch: _Batches = Field(default=(1,), description=f"{_BATCH} Default: 1.")
    hint: _Hints = Field(default=("auto",), description=f"{_HINT} Default: auto.")
    streams: _Counts = Field(default=(AUTO,), description=f"{_STREAMS} Default: auto.")
    threads: _Counts = Field(default=(AUTO,), description=f"{_THREADS} Default: auto.")
    requests: _Counts = Field(default=(AUTO,), description=f"{_REQUESTS} Default: auto.")
    machine: _Machines = Field(
        default=(), description="Names of machines. Default: every machine of the campaign."
    )
