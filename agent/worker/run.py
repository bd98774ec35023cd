"""One run from the model's file to the report."""

from __future__ import annotations

import gc
import json
import re
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from agent.worker.compiled import read_settings
from agent.worker.conditions import Reader, compare
from agent.worker.configuration import candidates, configuration, named_devices
from agent.worker.inputs import Feed
from agent.worker.length import Length, measure, warm_up
from agent.worker.measure import AsyncPool, Instants, Pool, SyncPool
from agent.worker.openvino_c import CompiledModel, Core, Model, OpenVinoError, version
from agent.worker.outputs import check_outputs
from agent.worker.spec import LATENCIES, PHASE, REPORT, STARTS, RunSpec

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
    report: dict[str, Any] = {
        "status": "ok",
        "reason": "",
        "openvino_version": version(),
    }
    phases = _Phases(folder)
    phases.milliseconds["import_ms"] = import_ns / 1e6
    try:
        _run(spec, folder, phases, report)
    except _Unsupported as error:
        report |= {"status": "unsupported", "reason": str(error)}
    except Exception as error:  # OpenVINO raises all kinds; each is this run's outcome
        report |= {"status": "failed", "reason": _describe(error)}
    report["phases"] = phases.milliseconds
    temporary = folder / f"{REPORT}.part"
    temporary.write_text(json.dumps(report))
    temporary.replace(folder / REPORT)


def _run(spec: RunSpec, folder: Path, phases: _Phases, report: dict[str, Any]) -> None:
    core = Core()
    if ":" in spec.device:
        # AUTO would quietly take what is left; of a single device OpenVINO says itself that it is not here,
        # and looking for all devices takes 13 ms.
        _require_devices(core, spec.device)
    model = phases.run("read", _read, core, spec, folder)
    config = configuration(core, spec)
    compiled = phases.run("compile", _compile, core, model, spec, config)
    model.free()
    report["inputs"] = _fed(compiled, spec)
    pool, feed = phases.run("prepare", _prepare, compiled, spec)
    report["compiled"] = read_settings(compiled, requests=len(pool.requests))
    phases.run("first_inference", pool.requests[0].infer)
    reader = Reader()
    warm = phases.run("warmup", warm_up, pool, spec.warmup_s, spec.max_iterations)
    report["warmup_inferences"] = warm.latency_ns.size + 1
    gc.disable()
    before = reader.read()
    begin_ns = time.monotonic_ns()
    trace = phases.run("measure", measure, pool, _length(spec), warm)
    report["measured_ns"] = (begin_ns, time.monotonic_ns())
    report["conditions"] = compare(reader, before, reader.read())
    report |= check_outputs(_outputs(pool, compiled.outputs_size))
    del feed  # the values that were copied had to live until here
    _write(folder / STARTS, trace.start_ns)
    _write(folder / LATENCIES, trace.latency_ns)
    report["samples"] = {
        "wall_ns": trace.wall_ns,
        "segments": trace.segments,
        "stopped": trace.stopped,
        "harness_ns": trace.harness_ns,
    }
    report["compiled"]["split"] = _split(spec)


def _read(core: Core, spec: RunSpec, folder: Path) -> Model:
    if any(entry.preprocess for entry in spec.inputs):
        from agent.worker.graph import write_preprocessed  # noqa: PLC0415  # few runs need the package

        return core.read_model(write_preprocessed(spec, folder))
    model = core.read_model(spec.model)
    asked = {number: entry.shape for number, entry in enumerate(spec.inputs)}
    different = {
        number: shape
        for number, shape in asked.items()
        if re.findall(r"[^\s,{}\[\]]+", model.input_shape(number)) != [str(length) for length in shape]
    }
    if different:
        model.reshape(asked)
    return model


def _compile(core: Core, model: Model, spec: RunSpec, config: dict[str, str]) -> CompiledModel:
    try:
        return core.compile_model(model, spec.device, config)
    except OpenVinoError as error:
        _require_devices(core, spec.device)
        from agent.worker.graph import unsupported_layers  # noqa: PLC0415  # few runs need the package

        if missing := unsupported_layers(spec):
            shown = ", ".join(missing[:_SHOWN_LAYERS]) + (", …" if len(missing) > _SHOWN_LAYERS else "")
            raise _Unsupported(
                f"{spec.device} does not run {len(missing)} layers: {shown}\n{error}"
            ) from error
        raise


def _prepare(compiled: CompiledModel, spec: RunSpec) -> tuple[Pool, Feed]:
    if spec.scenario == "sync":
        size = 1
    else:
        size = spec.requests or int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    requests = [compiled.create_infer_request() for _ in range(size)]
    feed = Feed.make(requests[0], spec.inputs, spec.seed)
    copies = [feed.copy_to(request) for request in requests]
    if spec.timed_region == "inference":
        copies = [()] * size
    return (
        SyncPool(requests[0], copies[0]) if spec.scenario == "sync" else AsyncPool(requests, copies)
    ), feed


def _length(spec: RunSpec) -> Length:
    return Length(
        target=spec.interval_target,
        min_s=spec.min_duration_s,
        max_s=spec.duration_s,
        min_iterations=spec.min_iterations,
        max_iterations=spec.max_iterations,
    )


def _split(spec: RunSpec) -> dict[str, int]:
    if not spec.device.startswith("HETERO:"):
        return {}
    from agent.worker.graph import split  # noqa: PLC0415  # few runs need the package

    return split(spec)


def _fed(compiled: CompiledModel, spec: RunSpec) -> list[dict[str, Any]]:
    """What the compiled model takes: the fields of `protocol.result.FedInput`."""
    return [
        {"name": entry.name, "shape": port.shape, "element_type": port.element_type or entry.element_type}
        for entry, port in zip(spec.inputs, compiled.inputs, strict=True)
    ]


def _outputs(pool: Pool, count: int) -> Iterator[tuple[str, Any]]:
    for request in pool.requests:
        for number in range(count):
            tensor = request.output_tensor(number)
            yield tensor.element_type, tensor.memory


def _require_devices(core: Core, device: str) -> None:
    """Every device that is named must be here, and for AUTO one must be left."""
    here = core.available_devices
    if not candidates(device, here):
        raise _Unsupported(f"{device} leaves no device; OpenVINO sees {', '.join(here) or 'none'}")
    for name in named_devices(device):
        if not any(name in (available, available.partition(".")[0]) for available in here):
            raise _Unsupported(
                f"device {name} is not on this machine; OpenVINO sees {', '.join(here) or 'none'}"
            )


def _write(path: Path, values: Instants) -> None:
    values.astype("<u8").tofile(path)


def _describe(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".strip()
    if isinstance(error, RuntimeError | ValueError | MemoryError):
        return text
    return text + "\n" + "".join(traceback.format_exception(error, limit=-3))
