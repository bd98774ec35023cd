"""The types of single values in lab.yaml and campaign.yaml: how each is checked and what it is refused with.

Each check runs before pydantic's own and answers in the user's words, so that a choice of types never ends as
one error for each branch.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from integrator.config import devices
from protocol.job import (
    AUTO,
    CoreType,
    Count,
    ExecutionMode,
    InferencePrecision,
    Scenario,
    Switch,
    TimedRegion,
)
from protocol.release import RELEASE, AskedRelease

__all__ = [
    "REFUSED",
    "Amount",
    "BatchSize",
    "CampaignDevice",
    "CoreTypeChoice",
    "CountChoice",
    "Currency",
    "Day",
    "Dimension",
    "Duration",
    "ExecutionModeChoice",
    "HintChoice",
    "InferencePrecisionChoice",
    "IntervalTarget",
    "MachineDevice",
    "OneOrMore",
    "PrecisionChoice",
    "ReleaseChoice",
    "ScenarioChoice",
    "SwitchChoice",
    "TimedRegionChoice",
    "choice",
    "did_you_mean",
    "refusal",
    "shown",
]

REFUSED = "fleetmark"
"""The pydantic error type of a refusal that is already a sentence for the user."""

_MAX_COUNT = 65536
_SHOWN_CHARACTERS = 60


def refusal(sentence: str, *at: str | int) -> PydanticCustomError:
    """An error for a pydantic validator to raise: a finished sentence, about the value at `at` below here."""
    return PydanticCustomError(REFUSED, "{sentence}", {"sentence": sentence, "at": at})


def shown(value: object, *, whole: bool = False) -> str:
    """A value from a file as messages show it: quoted where it is text, on one line, short unless `whole`."""
    if isinstance(value, str):
        cut = value if whole or len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
        return json.dumps(cut, ensure_ascii=False)
    if isinstance(value, tuple):  # properties as they are read: names and values
        return f"{{{', '.join(f'{name}: {text}' for name, text in value)}}}" if value else AUTO
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a very large number"
    return {"None": "an empty value", "True": "true", "False": "false"}.get(str(value), str(value))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The known name that is nearest to `word`, as `did you mean "x"?`, or an empty string."""
    if not isinstance(word, str):
        return ""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower()[:_SHOWN_CHARACTERS], lower, n=1)
    return f'did you mean "{lower[close[0]]}"?' if close else ""


def _with_hint(sentence: str, word: object, known: Iterable[str]) -> str:
    near = did_you_mean(word, known)
    return f"{sentence} ({near})" if near else sentence


def choice_among(names: Sequence[str]) -> BeforeValidator:
    """Annotates text that is one of `names`."""

    def check(value: object) -> object:
        if isinstance(value, str) and value in names:
            return value
        raise refusal(_with_hint(f"{shown(value)} is not one of {', '.join(names)}", value, names))

    return BeforeValidator(check)


def choice(literal: Any) -> BeforeValidator:
    """Annotates a `Literal` of names."""
    return choice_among(get_args(literal))


def _device(parse: Callable[[str], str]) -> BeforeValidator:
    def check(value: object) -> object:
        if not isinstance(value, str):
            raise refusal(f"{shown(value)} is not the name of a device, such as CPU or GPU")
        try:
            return parse(value)
        except ValueError as error:
            raise refusal(_with_hint(f"{shown(value)} {error}", value, devices.COMMON)) from None

    return BeforeValidator(check)


def _check_count(value: object) -> object:
    if value == AUTO and isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_COUNT:
        return value
    sentence = f"{shown(value)} is neither auto nor a whole number from 1 to {_MAX_COUNT}"
    raise refusal(_with_hint(sentence, value, [AUTO]))


def _check_switch(value: object) -> object:
    if isinstance(value, str | bool) and str(value) in _SWITCHES:
        return _SWITCHES[str(value)]
    raise refusal(_with_hint(f"{shown(value)} is not one of auto, yes, no", value, _SWITCHES))


def _check_interval_target(value: object) -> object:
    """`none` and null are no target. A share may be given in per cent, and then as text: `1 %`."""
    if value is None or value == "none":
        return None
    share, near = None, ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
        near = f' (did you mean "{share:g} %"?)' if 1 <= share <= _LIKELY_PERCENT else ""
    elif isinstance(value, str) and (percent := _PERCENT.fullmatch(value)):
        share = float(percent[1]) / 100
    if share is not None and 0 < share < 1:
        return share
    raise refusal(f"{shown(value)} is neither none nor a share between 0 and 1, such as 0.01 or 1 %{near}")


def _check_release(value: object) -> object:
    if isinstance(value, str) and (value == AUTO or re.fullmatch(RELEASE, value)):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        sentence = f"{value} is a number, and as a number 2026.10 would be 2026.1; put the release in quotes"
        raise refusal(f'{sentence}: "{value}"' if re.fullmatch(RELEASE, str(value)) else sentence)
    sentence = f'{shown(value)} is neither auto nor a release of OpenVINO, such as "2026.4" or "2026.4.1"'
    raise refusal(_with_hint(sentence, value, [AUTO]))


def _check_duration(value: object) -> object:
    """`none` and null are no limit."""
    if value is None or value == "none" or isinstance(value, timedelta):
        return None if value == "none" else value
    if isinstance(value, str) and (given := _TIME.fullmatch(value)):
        seconds = float(given[1]) * _SECONDS[given[2]]
        if 0 < seconds <= _LONGEST_S:
            return timedelta(seconds=seconds)
        raise refusal(f"{shown(value)} is not between 0 and 365 d")
    number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    near = f' (did you mean "{value:g} h"?)' if number else ""
    sentence = f"{shown(value)} is neither none nor a time with its unit, such as 90 min, 12 h or 2 d{near}"
    raise refusal(sentence)


def _check_currency(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_CURRENCY, value):
        return value
    near = ""
    if isinstance(value, str) and re.fullmatch(_CURRENCY, value.upper()):
        near = f' (did you mean "{value.upper()}"?)'
    raise refusal(f"{shown(value)} is not a currency of three capital letters, such as EUR or USD{near}")


def _check_day(value: object) -> object:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and re.fullmatch(_DAY, value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise refusal(f"{shown(value)} is not a day of the calendar") from None
    raise refusal(f"{shown(value)} is not a date written as year-month-day, such as 2026-11-30")


_CURRENCY = r"[A-Z]{3}"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(s|min|h|d)")
_LONGEST_S = 365 * 86400
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_LIKELY_PERCENT = 10
_SWITCHES = {"auto": "auto", "yes": "yes", "on": "yes", "True": "yes", "no": "no", "off": "no", "False": "no"}
"""What may be written for yes and no: in YAML 1.2 `yes` and `on` are text."""
_HintName = Literal["auto", "latency", "throughput", "cumulative_throughput", "none"]
_PrecisionName = Literal["native", "FP32", "FP16"]

HintChoice = Annotated[_HintName, choice(_HintName)]
"""A performance hint, or `auto`: the one that suits the scenario."""
PrecisionChoice = Annotated[_PrecisionName, choice(_PrecisionName)]
"""What a model's weights are measured in: as the model is, or converted."""
ScenarioChoice = Annotated[Scenario, choice_among([scenario.value for scenario in Scenario])]
CountChoice = Annotated[Count, BeforeValidator(_check_count)]
"""A number from 1, or `auto`: left to OpenVINO."""
InferencePrecisionChoice = Annotated[InferencePrecision, choice(InferencePrecision)]
ExecutionModeChoice = Annotated[ExecutionMode, choice(ExecutionMode)]
CoreTypeChoice = Annotated[CoreType, choice(CoreType)]
SwitchChoice = Annotated[
    Switch,
    BeforeValidator(
        _check_switch, json_schema_input_type=Literal["auto", "yes", "no", "on", "off", True, False]
    ),
]
"""On, off, or `auto`: left to OpenVINO."""
_Share = Annotated[float, Field(gt=0, lt=1)]
_Percent = Annotated[str, Field(pattern=rf"^(none|{_PERCENT.pattern})$")]
IntervalTarget = Annotated[
    float | None,
    BeforeValidator(_check_interval_target, json_schema_input_type=_Share | _Percent | None),
]
"""A share of a median; None where `none` is given."""
Duration = Annotated[
    timedelta | None,
    BeforeValidator(
        _check_duration,
        json_schema_input_type=Annotated[str, Field(pattern=rf"^(none|{_TIME.pattern})$")] | None,
    ),
]
"""How long something may take; None where `none` is given."""
TimedRegionChoice = Annotated[TimedRegion, choice(TimedRegion)]
ReleaseChoice = Annotated[AskedRelease, BeforeValidator(_check_release)]
"""A release of OpenVINO, or `auto`: whichever is there."""
BatchSize = Annotated[int, Field(strict=True, ge=1, le=_MAX_COUNT)]
"""Samples per inference."""
Amount = Annotated[float, Field(strict=True, gt=0, le=1e12)]
"""Money or power: more than nothing."""
Currency = Annotated[
    str,
    BeforeValidator(_check_currency),
    Field(json_schema_extra={"pattern": f"^{_CURRENCY}$", "examples": ["EUR", "USD"]}),
]
"""A currency as ISO 4217 writes it."""
Day = Annotated[
    date,
    BeforeValidator(_check_day, json_schema_input_type=Annotated[str, Field(pattern=f"^{_DAY}$")]),
]
"""A day, as text: YAML 1.2 has no dates."""
MachineDevice = Annotated[
    str,
    _device(devices.parse_plain),
    Field(json_schema_extra={"pattern": devices.PLAIN_PATTERN, "examples": ["CPU", "GPU", "GPU.1", "NPU"]}),
]
"""A device that is in a machine, in its canonical spelling."""
CampaignDevice = Annotated[
    str,
    Field(max_length=256),
    _device(devices.parse),
    Field(json_schema_extra={"pattern": devices.PATTERN, "examples": ["CPU", "GPU", "NPU", "AUTO:GPU,CPU"]}),
]
"""A device or a composite of devices, in its canonical spelling."""


class OneOrMore:
    """Annotates a tuple: a single value may stand for a list of one; values are unique, and there is one."""

    def __init__(self, advice: str = "give a value, or leave the key out for its default") -> None:
        self._advice = advice

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = core_schema.no_info_after_validator_function(self._check, handler(source))
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list | tuple) else [value], inner
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        array = handler(schema)
        return {"anyOf": [array["items"], {**array, "minItems": 1, "uniqueItems": True}]}

    def _check(self, values: tuple[object, ...]) -> tuple[object, ...]:
        if not values:
            raise refusal(f"the list is empty; {self._advice}")
        for index, value in enumerate(values):
            if value in values[:index]:
                raise refusal(f"{shown(value)} is listed twice", index)
        return values


Dimension = OneOrMore("nothing is left to measure; give a value, or leave the key out for its default")
"""The annotation of the lists in `matrix`."""
