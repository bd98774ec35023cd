"""campaign.yaml: which models are measured, in which settings, on which machines."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)

from integrator.config.preprocess import PreprocessEntry
from integrator.config.section import ConfigFile, reading_of
from integrator.config.selection import Extra, Matrix, Rule
from integrator.config.settings import LimitsSection, MeasureSection
from integrator.config.values import did_you_mean, refusal, shown
from protocol.documents import Record
from protocol.layout import MACHINE_NAME, MachineName, ModelName

__all__ = ["Campaign", "InputRange", "ModelEntry"]

MAX_RUNS = 10_000
"""Runs of one test: a result's name holds four digits."""


_MAX_DIMENSION = 1 << 31
_MAX_RANK = 16


def _dimension(value: object) -> object:
    if value == "N" or (
        isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_DIMENSION
    ):
        return value
    raise refusal(f"{shown(value)} is neither N (the batch) nor a whole number from 1 to {_MAX_DIMENSION}")


def _listed(value: object) -> object:
    return () if value is None else value  # a key whose whole list is commented out


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise refusal(f"{shown(value)} is not the path of a file")
    reading = reading_of(info)
    return reading.folder / value if reading else Path(value)


def _by_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Dim = Annotated[Annotated[int, Field(ge=1, le=_MAX_DIMENSION)] | Literal["N"], BeforeValidator(_dimension)]


class InputRange(Record):
    """What an input of a model is filled with."""

    model_config = ConfigDict(title="Input range")

    low: Annotated[float, Field(strict=True)] = Field(
        default=0.0, description="The values begin here; integers are whole numbers from here. Default: 0."
    )
    high: Annotated[float, Field(strict=True)] = Field(
        default=1.0, description="The values stay below this. Default: 1."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise refusal(f"low ({self.low:g}) is not less than high ({self.high:g})")
        return self


class ModelEntry(Record):
    """A model to measure: a built-in one by its name, or a file."""

    model_config = ConfigDict(title="Model")

    name: ModelName = Field(
        description="The model's name, unique in the campaign: letters, digits, _, ., + and -. "
        "Without path it is that of a built-in model."
    )
    path: Annotated[Path | None, BeforeValidator(_path, json_schema_input_type=str)] = Field(
        default_factory=lambda: None,  # a plain default would have editors write "path: null"
        description="The model's file (.onnx, .xml, …), relative to campaign.yaml.",
    )
    files: Annotated[
        tuple[Annotated[Path, BeforeValidator(_path, json_schema_input_type=str)], ...],
        BeforeValidator(_listed),
    ] = Field(
        default=(),
        description="Further files that the model's file refers to by their names, such as external data of "
        "ONNX, relative to campaign.yaml. The .bin beside an .xml and the .pdiparams beside a .pdmodel "
        "need not be listed. Default: none.",
    )
    shapes: dict[str, Annotated[tuple[Dim, ...], Field(max_length=_MAX_RANK)]] = Field(
        default_factory=dict,
        description="Shape of each input by its name, with N for the batch; needed where the model leaves "
        "dimensions open. Default: as the model says.",
    )
    inputs: dict[str, InputRange] = Field(
        default_factory=dict,
        description="Range of the values that an input is filled with, by its name. Default: 0 to 1.",
    )

    preprocess: dict[str, PreprocessEntry] = Field(
        default_factory=dict,
        description="Inputs that are fed as an application has them, by their names: what is done with them "
        "first is part of what is measured. Default: none.",
    )
    task: str | None = Field(
        default_factory=lambda: None,
        min_length=1,
        max_length=60,
        description="What the model does, such as object detection: the site compares models of one task. "
        "Default: that of a built-in model; none for others.",
    )

    @model_validator(mode="after")
    def _can_be_found(self, info: ValidationInfo) -> Self:
        reading = reading_of(info)
        given = [key for key in ("files", "shapes", "inputs") if getattr(self, key)]
        if self.path is None and given:
            key = given[0]
            raise refusal(f"{key} belongs to a model of your own, and {shown(self.name)} has no path", key)
        if reading is None:
            return self
        known = sorted(reading.builtin_models)
        if self.path is None:
            if self.name not in known:
                hint = did_you_mean(self.name, known) or "a model of your own needs a path;"
                names = ", ".join(known) or "none"
                sentence = f"{shown(self.name)} is not a built-in model; {hint} built-in models: {names}"
                raise refusal(sentence, "name")
        elif self.name in known:
            raise refusal(f"{shown(self.name)} is the name of a built-in model; choose another", "name")
        else:
            _refuse_trouble(self.path, "path")
            for index, file in enumerate(self.files):
                _refuse_trouble(file, "files", index)
        return self


def _refuse_trouble(path: Path, *key: str | int) -> None:
    if trouble := _trouble_with(path):
        raise refusal(f"{shown(str(path), whole=True)} {trouble}", *key)


def _trouble_with(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"cannot be read: {reason}"
    if stat.S_ISDIR(mode):
        return "is a directory; expected the model's file"
    return "" if os.access(path, os.R_OK) else "cannot be read: no permission"


def _unique(models: tuple[ModelEntry, ...], info: ValidationInfo) -> tuple[ModelEntry, ...]:
    if not models:
        raise refusal("the list is empty; nothing is left to measure")
    seen: dict[str, int] = {}
    for index, model in enumerate(models):
        if model.name in seen:
            first = seen[model.name]
            reading = reading_of(info)
            line = f" (line {reading.source.line(('models', first, 'name'))})" if reading else ""
            raise refusal(f"{shown(model.name)} is already the name of models[{first}]{line}", index, "name")
        seen[model.name] = index
    return models


def _some_machines(machines: tuple[str, ...]) -> tuple[str, ...]:
    if not machines:
        raise refusal('the list is empty; give names of machines, or "all"')
    for index, name in enumerate(machines):
        if name in machines[:index]:
            raise refusal(f"{shown(name)} is listed twice", index)
    return machines


def _all_or_names(value: Any) -> str:
    return "all" if isinstance(value, str) else "names"


def _all(value: object) -> object:
    if value == "all":
        return value
    raise refusal(f"{shown(value)} is neither all nor a list of names; one name is written as [name]")


_Machines = Annotated[
    Annotated[Literal["all"], BeforeValidator(_all), Tag("all")]
    | Annotated[tuple[MachineName, ...], AfterValidator(_some_machines), Tag("names")],
    Discriminator(_all_or_names),
]
_Model = Annotated[ModelEntry, BeforeValidator(_by_name, json_schema_input_type=ModelName | ModelEntry)]


class Campaign(ConfigFile):
    """One full comparison: models, settings and machines."""

    model_config = ConfigDict(title="fleetmark campaign")

    name: Annotated[str, StringConstraints(pattern=rf"^{MACHINE_NAME}$")] = Field(
        description="The campaign's short name: 1 to 64 small letters, digits, - and _. "
        "Its id begins with it."
    )
    title: str | None = Field(
        default=None, min_length=1, max_length=200, description="One line in your own words, for the site."
    )
    machines: _Machines = Field(
        default="all",
        description="Machines of lab.yaml to measure on: a list of names, or all. Default: all.",
    )
    models: Annotated[tuple[_Model, ...], AfterValidator(_unique)] = Field(
        json_schema_extra={"minItems": 1},
        description="Models to measure, at least one: the name of a built-in model, or a file of your own.",
    )
    matrix: Matrix = Field(
        default=Matrix(), description="Dimensions: every model is measured in every combination of them."
    )
    exclude: Annotated[tuple[Rule, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Combinations of the matrix that are left out. Default: none."
    )
    include: Annotated[tuple[Extra, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Tests beyond the matrix; exclude does not apply to them. Default: none."
    )
    runs: Annotated[int, Field(strict=True, ge=1, le=MAX_RUNS)] = Field(
        default=10, description="Runs of each test, each in a fresh process. Default: 10."
    )
    measure: MeasureSection = Field(default=MeasureSection(), description="How each run measures.")
    limits: LimitsSection = Field(
        default=LimitsSection(), description="What a run, a machine and the campaign may take."
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=1 << 53)] = Field(
        default=1,
        description="Decides the order of the runs and the values that inputs are filled with. Default: 1.",
    )
