"""One model in one setting: what a test is, before it has a model's hash and a machine."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from protocol.documents import canonical_json
from protocol.job import (
    AUTO,
    CoreType,
    Count,
    ExecutionMode,
    Hint,
    InferencePrecision,
    PlannedTest,
    Scenario,
    Switch,
    TimedRegion,
)
from protocol.release import AskedRelease

__all__ = ["FURTHER", "Setting", "further_settings"]

FURTHER = (
    "inference_precision",
    "execution_mode",
    "pinning",
    "hyper_threading",
    "core_type",
    "hint_requests",
    "cache",
)
"""Fields that have no column of their own in the table; each is `auto` where it is not set."""

_ID_CHARACTERS = 128
_HASH_CHARACTERS = 8
_LETTERS = {
    "streams": "s",
    "threads": "t",
    "requests": "r",
    "inference_precision": "",
    "execution_mode": "",
    "pinning": "pin-",
    "hyper_threading": "ht-",
    "core_type": "",
    "hint_requests": "hr",
    "cache": "cache-",
    "openvino": "ov",
}
"""What stands before a value in a test's id."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One model in one setting: a test, wherever it runs. Fields are as in `protocol.job.PlannedTest`."""

    model: str
    precision: str
    device: str
    scenario: Scenario
    hint: Hint
    batch: int
    streams: Count = AUTO
    threads: Count = AUTO
    requests: Count = AUTO
    inference_precision: InferencePrecision = AUTO
    execution_mode: ExecutionMode = AUTO
    pinning: Switch = AUTO
    hyper_threading: Switch = AUTO
    core_type: CoreType = AUTO
    hint_requests: Count = AUTO
    cache: Switch = AUTO
    properties: tuple[tuple[str, str], ...] = ()
    """Further properties of OpenVINO: names and values, sorted by name."""
    preprocess: str = ""
    """What the compiled model does with its inputs before the model itself, as canonical JSON."""
    timed_region: TimedRegion = "inference"
    openvino: AskedRelease = AUTO

    def test_id(self) -> str:
        """A readable name that is the same for the same setting, on every machine and in every campaign.

        It ends in 8 hexadecimal digits of a hash of all fields, and is at most 128 characters long.
        """
        digest = hashlib.sha256(canonical_json(self._hashed())).hexdigest()[:_HASH_CHARACTERS]
        words = [self.precision, self.device, self.scenario, f"b{self.batch}", self.hint]
        words += [
            f"{letter}{getattr(self, key)}" for key, letter in _LETTERS.items() if getattr(self, key) != AUTO
        ]
        words += ["props"] * bool(self.properties) + ["pre"] * bool(self.preprocess)
        words += ["copy"] * (self.timed_region != "inference")
        tail = _slug("-".join(words))[: _ID_CHARACTERS // 2]
        room = _ID_CHARACTERS - _HASH_CHARACTERS - len(tail) - 2
        name = _slug(self.model)[:room].strip("-_") or "model"
        return f"{name}-{tail.strip('-_')}-{digest}"

    def with_precision(self, precision: str) -> Setting:
        """The same setting in another precision, as when `native` has been looked up in the model."""
        return replace(self, precision=precision)

    def _hashed(self) -> dict[str, Any]:
        """Every field, less the later ones at their defaults: ids from before them stay as they are."""
        later = {*FURTHER, "properties", "preprocess", "timed_region", "openvino"}
        defaults = {field.name: field.default for field in fields(self) if field.name in later}
        everything = asdict(self)
        return {
            key: value
            for key, value in everything.items()
            if key not in later or getattr(self, key) != defaults[key]
        }


def further_settings(test: PlannedTest) -> str:
    """What was asked for beyond the table's own columns: `inference_precision=bf16 pinning=no`."""
    given = {key: getattr(test, key) for key in FURTHER if getattr(test, key) != AUTO}
    fed = ",".join(entry.name for entry in test.inputs if entry.preprocess)
    given |= {"preprocess": fed} if fed else {}
    return " ".join(f"{key}={value}" for key, value in {**given, **test.properties}.items())


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text.lower())
