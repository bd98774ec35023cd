"""What each device says of itself, by hint: the device is asked in a process of its own.

`python -I -m agent.machine.probe DEVICE` compiles a small model on DEVICE with each hint that applies, and
writes the fields of `protocol.probe.DeviceProbe` as JSON on standard output. One process for each device: a
broken driver leaves the row of its device empty, and not the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from protocol.engine import openvino as ov

if TYPE_CHECKING:  # the process that asks imports openvino, numpy and the standard library only
    from protocol.probe import DeviceProbe

__all__ = ["ask", "probe_devices"]

AUTO = "AUTO"

_TIMEOUT_S = 120.0
_MAX_REASON = 2000
_HINTS = ("latency", "throughput")
_HINTS_OF_AUTO = (*_HINTS, "cumulative_throughput")


def probe_devices(devices: Sequence[str], *, timeout_s: float = _TIMEOUT_S) -> tuple[DeviceProbe, ...]:
    """The table of these devices, and of AUTO over all of them; never raises for what a device does.

    A device that does not answer within `timeout_s`, or takes its process down, has that as its `reason`.
    """
    return tuple(_probe(device, timeout_s) for device in (*devices, AUTO)) if devices else ()


def ask(device: str) -> dict[str, Any]:
    """What `device` says, as the fields of `protocol.probe.DeviceProbe`. Loads the device's plugin.

    Raises:
        RuntimeError: OpenVINO knows no such device.
    """
    core = ov.Core()
    supported = core.get_property(device, "SUPPORTED_PROPERTIES")
    model = _small_model()
    hints = _HINTS_OF_AUTO if device.partition(":")[0] == AUTO else _HINTS
    return {
        "device": device,
        "properties": {str(name): str(mode) for name, mode in sorted(supported.items())},
        "streams_range": _numbers(_read(core, device, "RANGE_FOR_STREAMS"), 2),
        "requests_range": _numbers(_read(core, device, "RANGE_FOR_ASYNC_INFER_REQUESTS"), 3),
        "hints": [_with_hint(core, model, device, hint) for hint in hints],
    }


def _probe(device: str, timeout_s: float) -> DeviceProbe:
    from protocol.probe import DeviceProbe  # noqa: PLC0415  # see TYPE_CHECKING above

    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-I", "-m", "agent.machine.probe", device],
            check=False,
            capture_output=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return DeviceProbe(device=device, reason=f"no answer within {timeout_s:g} s")
    words = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0:
        return DeviceProbe(
            device=device, reason=f"the process ended with code {done.returncode}: {words[-1900:]}"
        )
    try:
        return DeviceProbe.model_validate_json(done.stdout)
    except ValueError as error:  # a plugin that prints on standard output, or a property of a new kind
        return DeviceProbe(device=device, reason=f"its answer cannot be read: {error}"[:_MAX_REASON])


def _small_model() -> ov.Model:
    """One convolution, which every device runs."""
    ops = import_module("openvino.opset13" if hasattr(ov, "opset13") else "openvino.runtime.opset13")
    image = ops.parameter([1, 3, 16, 16], ov.Type.f32, name="image")
    weights = ops.constant(np.full((4, 3, 3, 3), 0.1, dtype=np.float32))
    node = ops.relu(ops.convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1]))
    return ov.Model([ops.result(node)], [image], "probe")


def _with_hint(core: ov.Core, model: ov.Model, device: str, hint: str) -> dict[str, Any]:
    try:
        compiled = core.compile_model(model, device, {"PERFORMANCE_HINT": hint.upper()})
    except RuntimeError as error:
        return {"hint": hint, "reason": str(error)[:_MAX_REASON]}
    names = [str(name) for name in compiled.get_property("SUPPORTED_PROPERTIES")]
    values = {name: _read_compiled(compiled, name) for name in names}
    return {
        "hint": hint,
        "optimal_requests": _number(_find(values, "OPTIMAL_NUMBER_OF_INFER_REQUESTS")),
        "streams": _number(_find(values, "NUM_STREAMS")),
        "threads": _number(_find(values, "INFERENCE_NUM_THREADS")),
        "hint_requests": _number(_find(values, "PERFORMANCE_HINT_NUM_REQUESTS")),
        "queue_priority": _text(_find(values, "GPU_QUEUE_PRIORITY")),
        "precision": _text(_find(values, "INFERENCE_PRECISION_HINT")),
        "execution_devices": [str(name) for name in values.get("EXECUTION_DEVICES") or ()],
        "properties": sorted(names),
    }


def _find(values: dict[str, Any], name: str) -> Any:
    """A property of the model, or of the one device that AUTO chose; nothing where it chose several."""
    if values.get(name) is not None:
        return values[name]
    nested = values.get("DEVICE_PROPERTIES")
    chosen = nested.values() if isinstance(nested, dict) else ()
    found = [device[name] for device in chosen if isinstance(device, dict) and name in device]
    return found[0] if len(found) == 1 else None


def _read(core: ov.Core, device: str, name: str) -> Any:
    try:
        return core.get_property(device, name)
    except RuntimeError:
        return None  # not every plugin knows every property


def _read_compiled(compiled: ov.CompiledModel, name: str) -> Any:
    try:
        return compiled.get_property(name)
    except RuntimeError:
        return None  # a plugin may list what it cannot tell


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _numbers(values: Iterable[Any] | None, count: int) -> list[int] | None:
    numbers = [int(value) for value in values or ()]
    return numbers if len(numbers) == count else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, ov.Type):
        return str(value.get_type_name())
    return str(value).rpartition(".")[2]  # enumerations print as Class.MEMBER


if __name__ == "__main__":
    json.dump(ask(sys.argv[1]), sys.stdout)
