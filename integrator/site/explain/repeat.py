"""How a test is measured again: a campaign of this one test, and benchmark_app's nearest command. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from integrator.benchmark_app import configuration, options
from integrator.config.settings import LimitsSection, MeasureSection
from integrator.config.values import PrecisionChoice
from integrator.setting import FURTHER
from protocol.job import AUTO, Input, Job, Measure, ModelRef, PlannedTest, Preprocess

__all__ = ["BENCHMARK_APP_CONFIG", "CAMPAIGN_FILE", "COMMAND", "benchmark_app_command", "campaign_yaml"]

CAMPAIGN_FILE = "repeat.yaml"
COMMAND = f"fleetmark run --lab lab.yaml --campaign {CAMPAIGN_FILE}"
"""Runs `campaign_yaml`, beside the lab's own lab.yaml."""
BENCHMARK_APP_CONFIG = "config.json"

_PRECISIONS = get_args(get_args(PrecisionChoice)[0])
_COUNTED = ("streams", "threads", "requests")


def campaign_yaml(job: Job, test: PlannedTest, runs: int, *, builtin: Collection[str]) -> str:
    """A campaign.yaml of this test alone, on its machine, measured as it was.

    Args:
        job: The job that the test was in.
        test: The test.
        runs: How many runs it had.
        builtin: Names of models that need no file.
    """
    model = next(model for model in job.models if model.sha256 == test.model_sha256)
    lines = [
        "schema_version: 1",
        "name: repeat",
        f"machines: [{_word(job.machine)}]",
        "models:",
        *_model(model, test, builtin),
        "matrix:",
        *(f"  {key}: [{_word(value)}]" for key, value in _matrix(test).items()),
        f"runs: {runs}",
        *_section("measure", _measure(job.measure, test)),
        *_section("limits", _changed(job.limits.model_dump(), LimitsSection().of_job().model_dump())),
    ]
    if job.seed != 1:
        lines.append(f"seed: {job.seed}")
    return "\n".join(lines) + "\n"


def benchmark_app_command(job: Job, test: PlannedTest) -> dict[str, Any]:
    """OpenVINO's benchmark_app for the same test: the command, its configuration file, what it leaves out."""
    model = next(model for model in job.models if model.sha256 == test.model_sha256)
    seconds = math.ceil(job.measure.duration_s)
    words = options(test, Path(model.entry), duration_s=seconds, config=Path(BENCHMARK_APP_CONFIG))
    config = configuration(test)
    return {
        "command": shlex.join(["benchmark_app", *words]),
        "config": json.dumps(config) if config else None,
        "without": list(_left_out(test)),
    }


def _left_out(test: PlannedTest) -> Iterator[str]:
    yield from (f"{key} {getattr(test, key)}" for key in FURTHER if getattr(test, key) != AUTO)
    yield from (f"{name} {value}" for name, value in test.properties.items())
    if any(entry.preprocess for entry in test.inputs):
        yield "preprocessing in the model"
    if test.timed_region != "inference":
        yield "the time of copying the inputs"


def _model(model: ModelRef, test: PlannedTest, builtin: Collection[str]) -> Iterator[str]:
    yield f"  - name: {_word(test.model)}"
    own = test.model not in builtin
    if own:
        yield f"    # The file with the SHA-256 {_entry_sha256(model)}:"
        yield f"    path: {_word(model.entry)}"
        if further := [file.name for file in model.files if not file.name.startswith("model.")]:
            yield f"    files: [{', '.join(map(_word, further))}]"
        yield "    shapes:"
        yield from (f"      {_word(i.name)}: {_shape(i, test.batch)}" for i in test.inputs)
        yield "    inputs:"
        yield from (
            f"      {_word(i.name)}: {{low: {_word(i.low)}, high: {_word(i.high)}}}" for i in test.inputs
        )
    fed = [(i, i.preprocess) for i in test.inputs if i.preprocess]
    if fed:
        yield "    preprocess:"
        for entry, steps in fed:
            yield f"      {_word(entry.name)}: {json.dumps(_preprocess(entry, steps))}"


def _entry_sha256(model: ModelRef) -> str:
    return next(file.sha256 for file in model.files if file.name == model.entry)


def _shape(entry: Input, batch: int) -> str:
    """With N in the first place that is as long as the batch: at this batch it is the same shape."""
    lengths = entry.preprocess.model_shape if entry.preprocess else entry.shape
    words = [str(length) for length in lengths]
    if batch in lengths:
        words[lengths.index(batch)] = "N"
    return f"[{', '.join(words)}]"


def _preprocess(entry: Input, steps: Preprocess) -> dict[str, Any]:
    given = {"type": entry.element_type, **steps.model_dump(mode="json", exclude={"model_shape"})}
    fed = dict(zip(steps.layout, entry.shape, strict=True))
    own = dict(zip(steps.model_layout, steps.model_shape, strict=True))
    size = [fed[letter] for letter in "HW" if letter in fed]
    if size != [own[letter] for letter in "HW" if letter in own]:
        given["resize"] = size
    given["reverse_channels"] = "yes" if steps.reverse_channels else "no"
    return {key: value for key, value in given.items() if value != []}


def _matrix(test: PlannedTest) -> dict[str, Any]:
    values: dict[str, Any] = {
        "devices": test.device,
        "precisions": test.precision if test.precision in _PRECISIONS else "native",
        "scenarios": test.scenario.value,
        "batch": test.batch,
        "hint": test.hint.value,
    }
    values |= {key: getattr(test, key) for key in (*_COUNTED, *FURTHER) if getattr(test, key) != AUTO}
    if test.properties:
        values["properties"] = dict(test.properties)
    if test.openvino != AUTO:
        values["openvino"] = test.openvino
    return values


def _measure(measure: Measure, test: PlannedTest) -> dict[str, Any]:
    asked = {**measure.model_dump(), "timed_region": test.timed_region}
    return _changed(asked, MeasureSection().model_dump())


def _changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value != defaults[key]}


def _section(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield f"{name}:"
        yield from (f"  {key}: {_word(value)}" for key, value in values.items())


def _word(value: object) -> str:
    """A value as YAML; text is in quotes unless it is plain beyond doubt."""
    if value is None:
        return "none"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value):
        return value if value.lower() not in {"null", "true", "false"} else json.dumps(value)
    return json.dumps(value)
