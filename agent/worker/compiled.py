"""What a compiled model reports of itself."""

from __future__ import annotations

from typing import Any

from protocol.engine import openvino as ov

__all__ = ["read_settings"]


def read_settings(compiled: ov.CompiledModel, *, requests: int) -> dict[str, Any]:
    """The settings in force: the fields of `protocol.result.CompiledSettings`.

    A device that combines others (AUTO, MULTI, HETERO) keeps the numbers with the devices it chose; the
    number is then that of the one device, or unknown where there are several.
    """
    properties = {}
    for name in compiled.get_property("SUPPORTED_PROPERTIES"):
        try:
            properties[name] = compiled.get_property(name)
        except Exception as error:  # a plugin may list what it cannot tell; the rest is of use
            properties[name] = f"unreadable: {error}"
    return {
        "streams": _number(properties, "NUM_STREAMS"),
        "threads": _number(properties, "INFERENCE_NUM_THREADS"),
        "requests": requests,
        "optimal_requests": _number(properties, "OPTIMAL_NUMBER_OF_INFER_REQUESTS"),
        "hint": _text(properties, "PERFORMANCE_HINT"),
        "inference_precision": _text(properties, "INFERENCE_PRECISION_HINT"),
        "execution_devices": [str(device) for device in properties.get("EXECUTION_DEVICES", ())],
        "properties": {name: _as_text(value) for name, value in sorted(properties.items())},
    }


def _find(properties: dict[str, Any], name: str) -> Any:
    if name in properties:
        return properties[name]
    nested = properties.get("DEVICE_PROPERTIES")
    if isinstance(nested, dict):
        values = [device[name] for device in nested.values() if isinstance(device, dict) and name in device]
        if len(values) == 1:
            return values[0]
    return None


def _number(properties: dict[str, Any], name: str) -> int | None:
    try:
        return int(_find(properties, name))
    except (TypeError, ValueError):
        return None


def _text(properties: dict[str, Any], name: str) -> str | None:
    value = _find(properties, name)
    return None if value is None else _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, ov.Type):
        return str(value.get_type_name())
    # Enumerations print as Class.MEMBER; the member is what OpenVINO's documentation calls it.
    text = str(value)
    head, _, member = text.rpartition(".")
    return member if head.isidentifier() and member.isidentifier() else text
