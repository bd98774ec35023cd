"""What a compiled model reports of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.worker.openvino_c import CompiledModel, OpenVinoError

__all__ = ["parse_nested", "read_settings"]

_PAIR = re.compile(r"[A-Za-z][A-Za-z0-9_.]*:")
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


def read_settings(compiled: CompiledModel, *, requests: int) -> dict[str, Any]:
    """The settings in force: the fields of `protocol.result.CompiledSettings`, less `split`.

    A device that combines others (AUTO, MULTI, HETERO) keeps the numbers with the devices it chose; the
    number is then that of the one device, or unknown where there are several.
    """
    properties = {}
    for name in compiled.get_property("SUPPORTED_PROPERTIES").split():
        try:
            properties[name] = compiled.get_property(name)
        except OpenVinoError as error:  # a plugin may list what it cannot tell; the rest is of use
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
        "inference_precision": _find(properties, behind, "INFERENCE_PRECISION_HINT"),
        "execution_mode": _find(properties, behind, "EXECUTION_MODE_HINT"),
        "pinning": _truth(_find(properties, behind, "ENABLE_CPU_PINNING")),
        "hyper_threading": _truth(_find(properties, behind, "ENABLE_HYPER_THREADING")),
        "core_type": _find(properties, behind, "SCHEDULING_CORE_TYPE"),
        "hint_requests": _number(_find(properties, behind, "PERFORMANCE_HINT_NUM_REQUESTS")),
        "loaded_from_cache": _truth(_find(properties, behind, "LOADED_FROM_CACHE")),
        "execution_devices": properties.get("EXECUTION_DEVICES", "").split(),
        "device_requests": _requests_of(behind),
        "properties": dict(sorted(_as_texts(properties, behind))),
    }


def parse_nested(text: str) -> dict[str, dict[str, str]]:
    """Properties of devices as OpenVINO writes them: `{CPU:{NUM_STREAMS:2,LOG_LEVEL:LOG_NONE}}`.

    A value may hold commas and colons: a new pair begins where a comma is followed by a name and a colon.
    """
    found: dict[str, dict[str, str]] = {}
    for device, body in re.findall(r"([\w.\-()]+):\{([^{}]*)\}", text):
        pairs: list[str] = []
        for piece in body.split(","):
            if pairs and not _PAIR.match(piece):
                pairs[-1] += f",{piece}"
            else:
                pairs.append(piece)
        split = (pair.partition(":") for pair in pairs)
        found[device] = {name: value for name, colon, value in split if colon}
    return found


def _behind(properties: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The properties of each device behind this one."""
    return parse_nested(properties.get("DEVICE_PROPERTIES", ""))


def _unlisted(compiled: CompiledModel, names: tuple[str, ...]) -> dict[str, str]:
    """Of some properties that the model answers for without listing them, those that it has."""
    found = {}
    for name in names:
        try:
            found[name] = compiled.get_property(name)
        except OpenVinoError:  # the device does not know it
            continue
    return found


def _find(properties: Mapping[str, str], behind: Mapping[str, Mapping[str, str]], name: str) -> str | None:
    if name in properties:
        return properties[name]
    values = [values[name] for values in behind.values() if name in values]
    return values[0] if len(values) == 1 else None


def _hint(properties: Mapping[str, str], behind: Mapping[str, Mapping[str, str]]) -> str | None:
    """The hint in force; MULTI always reports `THROUGHPUT` and hands on what it was told."""
    told = {values["PERFORMANCE_HINT"] for values in behind.values() if "PERFORMANCE_HINT" in values}
    own = properties.get("PERFORMANCE_HINT")
    if len(told) == 1 and own in {None, "THROUGHPUT"}:
        return told.pop()
    return own


def _requests_of(behind: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    numbers = {
        name: _number(values.get("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) for name, values in behind.items()
    }
    return {name: number for name, number in numbers.items() if number is not None}


def _as_texts(
    properties: Mapping[str, str], behind: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    for name, value in properties.items():
        if name != "DEVICE_PROPERTIES" or not behind:
            yield name, value
    for device, values in behind.items():
        for name, value in values.items():
            yield f"{device}.{name}", value


def _number(value: str | None) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _truth(value: str | None) -> bool | None:
    return {"YES": True, "TRUE": True, "NO": False, "FALSE": False}.get((value or "").upper())
