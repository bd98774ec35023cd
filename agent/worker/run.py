"""One run from the model's file to the report."""

from __future__ import annotations

import base64
import gc
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from agent.worker.compiled import read_settings, read_split
from agent.worker.conditions import Reader, compare
from agent.worker.configuration import candidates, configuration, named_devices
from agent.worker.inputs import fill
from agent.worker.measure import AsyncPool, Pool, Stop, SyncPool, warm_up
from agent.worker.outputs import check_outputs
from agent.worker.preprocessing import fed_inputs, model_shape, preprocess
from agent.worker.spec import PHASE, REPORT, RunSpec
from protocol.engine import openvino as ov

__all__ = ["carry_out"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SHOWN_LAYERS = 5


class _Unsupported(Exception):  # noqa: N818  # an outcome, not a fault
    """The device is not here, or does not run this model."""


class _Phases:
    """Times the phases of a run, and tells the agent which one it is in."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / PHASE
        self.milliseconds: dict[str, float] = {}

    def run(self, name: str, action: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        self._file.write_text(name)
        begin = time.perf_counter_ns()
        value = action(*args, **kwargs)
        self.milliseconds[f"{name}_ms"] = (time.perf_counter_ns() - begin) / 1e6
        return value


def carry_out(spec: RunSpec, folder: Path, *, import_ns: int) -> None:
    """Do the run and write its report; whatever goes wrong is in the report."""
    report: dict[str, Any] = {"status": "ok", "reason": "", "openvino_version": ov.__version__}
    phases = _Phases(folder)
    phases.milliseconds["import_ms"] = import_ns / 1e6
    try:
        _run(spec, phases, report)
    except _Unsupported as error:
        report |= {"status": "unsupported", "reason": str(error)}
    except Exception as error:  # OpenVINO raises all kinds; each is this run's outcome
        report |= {"status": "failed", "reason": _describe(error)}
    report["phases"] = phases.milliseconds
    temporary = folder / f"{REPORT}.part"
    temporary.write_text(json.dumps(report))
    temporary.replace(folder / REPORT)


def _run(spec: RunSpec, phases: _Phases, report: dict[str, Any]) -> None:
    core = ov.Core()
    _require_devices(core, spec.device)
    model = phases.run("read", _read, core, spec)
    config = configuration(core, spec)
    split = read_split(core, model, spec.device)
    compiled = phases.run("compile", _compile, core, model, spec, config)
    del model
    report["inputs"] = fed_inputs(compiled, spec.inputs)
    pool = phases.run("prepare", _prepare, compiled, spec)
    report["compiled"] = read_settings(compiled, requests=pool.size) | {"split": split}
    phases.run("first_inference", _first, pool)
    reader = Reader()
    report["warmup_inferences"] = phases.run("warmup", warm_up, pool, spec.warmup_s) + 1
    gc.collect()
    gc.disable()
    stop = Stop(spec.duration_s, spec.min_iterations, spec.max_iterations)
    before = reader.read()
    trace = phases.run("measure", pool.run, stop)
    report["conditions"] = compare(reader, before, reader.read())
    report |= check_outputs([tensor for request in pool.requests for tensor in request.output_tensors])
    report["samples"] = {
        "start_ns": _packed(trace.start_ns),
        "latency_ns": _packed(trace.latency_ns),
        "wall_ns": trace.wall_ns,
        "clock_step_ns": trace.clock_step_ns,
    }


def _read(core: ov.Core, spec: RunSpec) -> ov.Model:
    model = core.read_model(spec.model)
    shapes = {number: ov.PartialShape(list(model_shape(entry))) for number, entry in enumerate(spec.inputs)}
    if any(model.inputs[number].partial_shape != shape for number, shape in shapes.items()):
        model.reshape(shapes)
    preprocess(model, spec.inputs)
    return model


def _compile(core: ov.Core, model: ov.Model, spec: RunSpec, config: dict[str, Any]) -> ov.CompiledModel:
    try:
        return core.compile_model(model, spec.device, config)
    except RuntimeError as error:
        if missing := _unsupported_layers(core, model, spec.device):
            shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")  # noqa: PLR2004
            raise _Unsupported(
                f"{spec.device} does not run {len(missing)} layers: {shown}\n{error}"
            ) from error
        raise


def _prepare(compiled: ov.CompiledModel, spec: RunSpec) -> Pool:
    pool: Pool = SyncPool(compiled) if spec.scenario == "sync" else AsyncPool(compiled, spec.requests)
    fill(pool.requests, spec.inputs, spec.seed)
    return pool


def _require_devices(core: ov.Core, device: str) -> None:
    """Every device that is named must be here, and for AUTO one must be left."""
    here = core.available_devices
    if not candidates(device, here):
        raise _Unsupported(f"{device} leaves no device; OpenVINO sees {', '.join(here) or 'none'}")
    for name in named_devices(device):
        if not any(name in (available, available.partition(".")[0]) for available in here):
            raise _Unsupported(
                f"device {name} is not on this machine; OpenVINO sees {', '.join(here) or 'none'}"
            )


def _unsupported_layers(core: ov.Core, model: ov.Model, device: str) -> list[str]:
    try:
        supported = core.query_model(model, device)
    except RuntimeError:
        return []  # the device cannot tell; the compiler's own words remain
    return [node.get_friendly_name() for node in model.get_ops() if node.get_friendly_name() not in supported]


def _first(pool: Pool) -> None:
    pool.run(Stop(0.0, 1, 1))


def _packed(values: npt.NDArray[np.uint64]) -> dict[str, Any]:
    data = values.astype("<u8").tobytes()
    return {"count": int(values.size), "base64": base64.b64encode(data).decode()}


def _describe(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".strip()
    if isinstance(error, RuntimeError | ValueError | MemoryError):
        return text
    return text + "\n" + "".join(traceback.format_exception(error, limit=-3))
