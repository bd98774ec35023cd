"""What a compiled model reports of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from protocol.engine import openvino as ov

__all__ = ["read_settings", "read_split"]

_NOT_LAYERS = frozenset({"Constant", "Parameter", "Result"})
_BATCH_BEHIND = (
    "NUM_STREAMS",
    "INFERENCE_NUM_THREADS",
    "PERFORMANCE_HINT",
    "PERFORMANCE_HINT_NUM_REQUESTS",
    "INFERENCE_PRECISION_HINT",
    "EXECUTION_MODE_HINT",
    "ENABLE_CPU_PINNING",
    "ENABLE_HYPER_THREADING",
    "SCHEDULING_CORE_TYPE",
)
"""What BATCH answers for the device behind it, and does not list."""


def read_settings(compiled: ov.CompiledModel, *, requests: int) -> dict[str, Any]:
    """The settings in force: the fields of `protocol.result.CompiledSettings`, less `split`.

    A device that combines others (AUTO, MULTI, HETERO) keeps the numbers with the devices it chose; the
    number is then that of the one device, or unknown where there are several.
    """
    properties = {}
    for name in compiled.get_property("SUPPORTED_PROPERTIES"):
        try:
            properties[name] = compiled.get_property(name)
        except Exception as error:  # a plugin may list what it cannot tell; the rest is of use
            properties[name] = f"unreadable: {error}"
    behind = _behind(properties)
    unlisted = _BATCH_BEHIND if "AUTO_BATCH_TIMEOUT" in properties else ()
    properties = {**_unlisted(compiled, ("LOADED_FROM_CACHE", *unlisted)), **properties}
    return {
        "streams": _number(_find(properties, behind, "NUM_STREAMS")),
        "threads": _number(_find(properties, behind, "INFERENCE_NUM_THREADS")),
        "requests": requests,
        "optimal_requests": _number(properties.get("OPTIMAL_NUMBER_OF_INFER_REQUESTS")),
        "hint": _hint(properties, behind),
        "inference_precision": _text(_find(properties, behind, "INFERENCE_PRECISION_HINT")),
        "execution_mode": _text(_find(properties, behind, "EXECUTION_MODE_HINT")),
        "pinning": _truth(_find(properties, behind, "ENABLE_CPU_PINNING")),
        "hyper_threading": _truth(_find(properties, behind, "ENABLE_HYPER_THREADING")),
        "core_type": _text(_find(properties, behind, "SCHEDULING_CORE_TYPE")),
        "hint_requests": _number(_find(properties, behind, "PERFORMANCE_HINT_NUM_REQUESTS")),
        "loaded_from_cache": _truth(_find(properties, behind, "LOADED_FROM_CACHE")),
        "execution_devices": [str(device) for device in properties.get("EXECUTION_DEVICES", ())],
        "device_requests": _requests_of(behind),
        "properties": dict(sorted(_as_texts(properties, behind))),
    }


def read_split(core: ov.Core, model: ov.Model, device: str) -> dict[str, int]:
    """How many layers of the model HETERO puts on each device; empty for other devices.

    Raises:
        RuntimeError: a device of the list cannot be asked.
    """
    if not device.startswith("HETERO:"):
        return {}
    where = core.query_model(model, device)
    layers = [node.get_friendly_name() for node in model.get_ops() if node.get_type_name() not in _NOT_LAYERS]
    return dict(Counter(str(where[name]) for name in layers if name in where))


def _behind(properties: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The properties of each device behind this one."""
    nested = properties.get("DEVICE_PROPERTIES")
    if not isinstance(nested, dict):
        return {}
    return {str(name): values for name, values in nested.items() if isinstance(values, dict)}


def _unlisted(compiled: ov.CompiledModel, names: tuple[str, ...]) -> dict[str, Any]:
    """Of some properties that the model answers for without listing them, those that it has."""
    found = {}
    for name in names:
        try:
            found[name] = compiled.get_property(name)
        except RuntimeError:  # the device does not know it
            continue
    return found


def _find(properties: dict[str, Any], behind: dict[str, dict[str, Any]], name: str) -> Any:
    if name in properties:
        return properties[name]
    values = [values[name] for values in behind.values() if name in values]
    return values[0] if len(values) == 1 else None


def _hint(properties: dict[str, Any], behind: dict[str, dict[str, Any]]) -> str | None:
    """The hint in force; MULTI always reports `THROUGHPUT` and hands on what it was told."""
    told = {_text(values["PERFORMANCE_HINT"]) for values in behind.values() if "PERFORMANCE_HINT" in values}
    own = _text(properties.get("PERFORMANCE_HINT"))
    if len(told) == 1 and own in {None, "THROUGHPUT"}:
        return told.pop()
    return own


def _requests_of(behind: dict[str, dict[str, Any]]) -> dict[str, int]:
    numbers = {
        name: _number(values.get("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) for name, values in behind.items()
    }
    return {name: number for name, number in numbers.items() if number is not None}


def _as_texts(properties: dict[str, Any], behind: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, value in properties.items():
        if name != "DEVICE_PROPERTIES" or not behind:
            yield name, _as_text(value)
    for device, values in behind.items():
        for name, value in values.items():
            yield f"{device}.{name}", _as_text(value)


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"YES": True, "TRUE": True, "NO": False, "FALSE": False}.get(str(value).upper())


def _text(value: Any) -> str | None:
    return None if value is None else _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, ov.Type):
        return str(value.get_type_name())
    # Enumerations print as Class.MEMBER; the member is what OpenVINO's documentation calls it.
    text = str(value)
    head, _, member = text.rpartition(".")
    return member if head.isidentifier() and member.isidentifier() else text
