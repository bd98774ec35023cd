"""Further properties of OpenVINO in a campaign: checked as far as one can without a device."""

from __future__ import annotations

import math
import re
from typing import Annotated, get_args

from pydantic import BeforeValidator, WithJsonSchema
from pydantic.fields import FieldInfo

from integrator.config.values import refusal, shown
from protocol.job import PropertyName

__all__ = ["KEY_OF", "Properties"]

Pairs = tuple[tuple[str, str], ...]

KEY_OF = {
    "PERFORMANCE_HINT": "hint",
    "NUM_STREAMS": "streams",
    "INFERENCE_NUM_THREADS": "threads",
    "INFERENCE_PRECISION_HINT": "inference_precision",
    "EXECUTION_MODE_HINT": "execution_mode",
    "ENABLE_CPU_PINNING": "pinning",
    "ENABLE_HYPER_THREADING": "hyper_threading",
    "SCHEDULING_CORE_TYPE": "core_type",
    "PERFORMANCE_HINT_NUM_REQUESTS": "hint_requests",
    "CACHE_DIR": "cache",
    "MULTI_DEVICE_PRIORITIES": "devices",
    "DEVICE_ID": "devices",
}
"""Properties that a key of the campaign sets, and that key."""

_MAX_PROPERTIES = 64
_MAX_VALUE = 1024
_FILES = re.compile(r"_(?:PATH|DIR|FILE)$|^CONFIG_FILE$")
_SCALAR = {"type": ["string", "number", "boolean"]}
_PATTERN = next(m.pattern for item in get_args(PropertyName) if isinstance(item, FieldInfo)
                for m in item.metadata if hasattr(m, "pattern"))  # fmt: skip
_NAME = re.compile(_PATTERN)


def _pairs(value: object) -> Pairs:
    if value == "auto":
        return ()
    if isinstance(value, tuple):
        return value  # made in code, or read before
    if not isinstance(value, dict):
        raise refusal(
            f"{shown(value)} is neither auto nor a mapping such as {{ENABLE_CPU_RESERVATION: true}}"
        )
    if len(value) > _MAX_PROPERTIES:
        raise refusal(f"the mapping has {len(value)} properties; expected at most {_MAX_PROPERTIES}")
    return tuple(sorted((_name(name), _text(name, item)) for name, item in value.items()))


def _name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise refusal(
            f"{shown(name)} is not the name of a property; expected one such as ENABLE_CPU_RESERVATION"
        )
    if key := KEY_OF.get(name):
        raise refusal(f"{name} is set by the key {key}; use that (rule property_has_key)", name)
    if name == "DEVICE_PROPERTIES":
        raise refusal(
            "give the properties of a device as they are: each goes to the devices that know it "
            "(rule property_has_key)",
            name,
        )
    if _FILES.search(name):
        raise refusal(f"{name} names a file or a folder of the machine, which a campaign cannot know", name)
    return name


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if isinstance(value, str) and value and len(value) <= _MAX_VALUE:
        return value
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise refusal(f"{shown(value)} is not the value of a property: text, a number, true or false", name)


Properties = Annotated[
    Pairs,
    BeforeValidator(_pairs),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "auto"},
                {
                    "type": "object",
                    "additionalProperties": _SCALAR,
                    "propertyNames": {"pattern": _PATTERN},
                    "maxProperties": _MAX_PROPERTIES,
                },
            ]
        }
    ),
]
"""Names and values, sorted by name, as text; empty for `auto`."""
