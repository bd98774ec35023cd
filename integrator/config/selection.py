"""The dimensions of a campaign: `matrix`, and the rules of `exclude` and `include` that speak of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from integrator.config.properties import Properties
from integrator.config.values import (
    BatchSize,
    CampaignDevice,
    CoreTypeChoice,
    CountChoice,
    Dimension,
    ExecutionModeChoice,
    HintChoice,
    InferencePrecisionChoice,
    OneOrMore,
    PrecisionChoice,
    ReleaseChoice,
    ScenarioChoice,
    SwitchChoice,
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
    "inference_precision": "inference_precision",
    "execution_mode": "execution_mode",
    "pinning": "pinning",
    "hyper_threading": "hyper_threading",
    "core_type": "core_type",
    "hint_requests": "hint_requests",
    "cache": "cache",
    "properties": "properties",
    "openvino": "openvino",
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
_INFERENCE_PRECISION = (
    "What floating-point layers are computed in: f32, bf16, f16, dynamic (each as the model says), or auto "
    "(OpenVINO's choice)."
)
_EXECUTION_MODE = "What OpenVINO may trade for speed: performance, accuracy, or auto (OpenVINO's choice)."
_PINNING = "Whether threads of inference stay on their cores (CPU): yes, no, or auto."
_HYPER_THREADING = "Whether both threads of a core are used (CPU): yes, no, or auto."
_CORE_TYPE = "Cores of a hybrid CPU that are used: any, pcore, ecore, or auto."
_HINT_REQUESTS = "Infer requests that the performance hint may count on, from 1, or auto."
_CACHE = "Whether compiled models are kept on the machine, from one run to the next: yes, no, or auto (no)."
_PROPERTIES = (
    "Further properties of OpenVINO by their names, such as {ENABLE_CPU_RESERVATION: true}, or auto (none)."
)
_OPENVINO = (
    'Releases of OpenVINO, in quotes: "2026.4" is any 2026.4.x; or auto (whichever the machine\'s agent has).'
)
_ANY = " A test is matched where it has one of these values. Default: any."

_Devices = Annotated[tuple[CampaignDevice, ...], Dimension]
_Precisions = Annotated[tuple[PrecisionChoice, ...], Dimension]
_Scenarios = Annotated[tuple[ScenarioChoice, ...], Dimension]
_Batches = Annotated[tuple[BatchSize, ...], Dimension]
_Hints = Annotated[tuple[HintChoice, ...], Dimension]
_Counts = Annotated[tuple[CountChoice, ...], Dimension]
_InferencePrecisions = Annotated[tuple[InferencePrecisionChoice, ...], Dimension]
_ExecutionModes = Annotated[tuple[ExecutionModeChoice, ...], Dimension]
_Switches = Annotated[tuple[SwitchChoice, ...], Dimension]
_CoreTypes = Annotated[tuple[CoreTypeChoice, ...], Dimension]
_Properties = Annotated[tuple[Properties, ...], Dimension]
_Releases = Annotated[tuple[ReleaseChoice, ...], Dimension]
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
    inference_precision: _InferencePrecisions = Field(
        default=(AUTO,), description=f"{_INFERENCE_PRECISION} Default: auto."
    )
    execution_mode: _ExecutionModes = Field(default=(AUTO,), description=f"{_EXECUTION_MODE} Default: auto.")
    pinning: _Switches = Field(default=(AUTO,), description=f"{_PINNING} Default: auto.")
    hyper_threading: _Switches = Field(default=(AUTO,), description=f"{_HYPER_THREADING} Default: auto.")
    core_type: _CoreTypes = Field(default=(AUTO,), description=f"{_CORE_TYPE} Default: auto.")
    hint_requests: _Counts = Field(default=(AUTO,), description=f"{_HINT_REQUESTS} Default: auto.")
    cache: _Switches = Field(default=(AUTO,), description=f"{_CACHE} Default: auto.")
    properties: _Properties = Field(default=((),), description=f"{_PROPERTIES} Default: auto.")
    openvino: _Releases = Field(default=(AUTO,), description=f"{_OPENVINO} Default: auto.")


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
    inference_precision: _InferencePrecisions = Field(default=(), description=_INFERENCE_PRECISION + _ANY)
    execution_mode: _ExecutionModes = Field(default=(), description=_EXECUTION_MODE + _ANY)
    pinning: _Switches = Field(default=(), description=_PINNING + _ANY)
    hyper_threading: _Switches = Field(default=(), description=_HYPER_THREADING + _ANY)
    core_type: _CoreTypes = Field(default=(), description=_CORE_TYPE + _ANY)
    hint_requests: _Counts = Field(default=(), description=_HINT_REQUESTS + _ANY)
    cache: _Switches = Field(default=(), description=_CACHE + _ANY)
    properties: _Properties = Field(default=(), description=_PROPERTIES + _ANY)
    openvino: _Releases = Field(default=(), description=_OPENVINO + _ANY)
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
    inference_precision: _InferencePrecisions = Field(
        default=(AUTO,), description=f"{_INFERENCE_PRECISION} Default: auto."
    )
    execution_mode: _ExecutionModes = Field(default=(AUTO,), description=f"{_EXECUTION_MODE} Default: auto.")
    pinning: _Switches = Field(default=(AUTO,), description=f"{_PINNING} Default: auto.")
    hyper_threading: _Switches = Field(default=(AUTO,), description=f"{_HYPER_THREADING} Default: auto.")
    core_type: _CoreTypes = Field(default=(AUTO,), description=f"{_CORE_TYPE} Default: auto.")
    hint_requests: _Counts = Field(default=(AUTO,), description=f"{_HINT_REQUESTS} Default: auto.")
    cache: _Switches = Field(default=(AUTO,), description=f"{_CACHE} Default: auto.")
    properties: _Properties = Field(default=((),), description=f"{_PROPERTIES} Default: auto.")
    openvino: _Releases = Field(default=(AUTO,), description=f"{_OPENVINO} Default: auto.")
    machine: _Machines = Field(
        default=(), description="Names of machines. Default: every machine of the campaign."
    )
