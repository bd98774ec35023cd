from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from integrator.config import (
    Campaign,
    Extra,
    Lab,
    Matrix,
    ModelEntry,
    PreprocessEntry,
    Rule,
    campaign_schema,
    lab_schema,
    load_both,
    load_campaign,
    load_lab,
)
from integrator.config import devices as device_names
from integrator.config.properties import KEY_OF
from integrator.config.schema import schema_files, write_schemas
from integrator.config.values import HintChoice, shown
from integrator.config.yaml_source import MAX_BYTES, read_source
from integrator.matrix import expand
from protocol.errors import ConfigurationError
from protocol.job import Hint, Limits, Measure, Scenario

EXAMPLES = Path(__file__).parents[2] / "examples"
BUILTIN = ("minilm-l6", "mobilenet-v2", "resnet-50")
HEAD = "schema_version: 1\nname: demo\n"
MODELS = HEAD + "models: [resnet-50]\n"
NO_RELEASE = 'is neither auto nor a release of OpenVINO, such as "2026.4" or "2026.4.1"'
NO_TIME = "is neither none nor a time with its unit, such as 90 min, 12 h or 2 d"


def problems_of(text: str | bytes, path: Path, kind: str = "campaign") -> list[str]:
    """The problems of a file, with its name replaced by `F` and its folder by `D`."""
    file = path / f"{kind}.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        if kind == "lab":
            load_lab(file)
        else:
            load_campaign(file, BUILTIN)
    except ConfigurationError as error:
        return [line.replace(str(file), "F").replace(str(path), "D") for line in error.problems]
    return []


def campaign_of(text: str, path: Path) -> Campaign:
    file = path / "campaign.yaml"
    file.write_text(text)
    return load_campaign(file, BUILTIN)


def test_every_default_is_the_documented_one(tmp_path: Path) -> None:
    campaign = campaign_of(MODELS, tmp_path)
    assert campaign.model_dump(exclude={"models"}) == {
        "schema_version": 1,
        "name": "demo",
        "title": None,
        "machines": "all",
        "matrix": {
            "devices": ("CPU",),
            "precisions": ("native",),
            "scenarios": (Scenario.SYNC, Scenario.ASYNC),
            "batch": (1,),
            "hint": ("auto",),
            "streams": ("auto",),
            "threads": ("auto",),
            "requests": ("auto",),
            "inference_precision": ("auto",),
            "execution_mode": ("auto",),
            "pinning": ("auto",),
            "hyper_threading": ("auto",),
            "core_type": ("auto",),
            "hint_requests": ("auto",),
            "cache": ("auto",),
            "properties": ((),),
            "openvino": ("auto",),
        },
        "exclude": (),
        "include": (),
        "runs": 10,
        "measure": {**Measure().model_dump(), "timed_region": "inference"},
        "limits": {
            **Limits().model_dump(),
            "machine_deadline": None,
            "campaign_deadline": None,
            "restarts": 3,
        },
        "seed": 1,
    }
    assert [(model.name, model.path) for model in campaign.models] == [("resnet-50", None)]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90 s", 90), ("1.5min", 90), ("12 h", 43_200), ("2 d", 172_800), ("none", None), ("null", None)],
)
def test_a_deadline_has_a_unit(given: str, seconds: float | None, tmp_path: Path) -> None:
    limits = campaign_of(f"{MODELS}limits: {{machine_deadline: {given}, restarts: 0}}\n", tmp_path).limits
    assert limits.machine_deadline == (None if seconds is None else timedelta(seconds=seconds))
    assert (limits.campaign_deadline, limits.restarts) == (None, 0)
    assert "machine_deadline" not in limits.of_job().model_dump()


def test_measure_and_limits_are_the_records_of_the_job(tmp_path: Path) -> None:
    campaign = campaign_of(MODELS + "measure: {duration_s: 2}\nlimits: {memory_mb: 512}\n", tmp_path)
    assert campaign.measure.of_job() == Measure(duration_s=2.0)
    assert campaign.limits.of_job() == Limits(memory_mb=512)
    given_in_code = Campaign(schema_version=1, name="x", models=campaign.models, measure=campaign.measure)
    assert given_in_code.measure == campaign.measure


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("0.02", 0.02),
        ("2 %", 0.02),
        ("0.5%", 0.005),
        ('"1 %"', 0.01),
        ("none", None),
        ("null", None),
    ],
)
def test_an_interval_target_is_a_share_or_none(given: str, target: float | None, tmp_path: Path) -> None:
    campaign = campaign_of(f"{MODELS}measure: {{interval_target: {given}}}\n", tmp_path)
    assert campaign.measure.of_job() == Measure(interval_target=target)


def test_a_short_run_needs_no_shorter_least(tmp_path: Path) -> None:
    """Who asks for 0.1 s need not know that a run measures 0.25 s at least, unless told otherwise."""
    short = campaign_of(MODELS + "measure: {duration_s: 0.1}\n", tmp_path).measure
    assert (short.duration_s, short.min_duration_s) == (0.1, 0.1)
    assert campaign_of(MODELS + "measure: {duration_s: 9}\n", tmp_path).measure.min_duration_s == 0.25
    assert Measure(duration_s=1, min_duration_s=1).min_duration_s == 1
    with pytest.raises(ValueError, match=r"min_duration_s \(2\) is more than duration_s \(1\)"):
        Measure(duration_s=1, min_duration_s=2)


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/det.onnx").write_bytes(b"onnx")
    text = HEAD + (
        "models:\n  - name: det\n    path: models/det.onnx\n    shapes: {images: [N, 3, 640, 640], 0: []}\n"
        "    inputs: {0: {high: 30522}}\n"
    )
    (model,) = campaign_of(text, tmp_path).models
    assert model.path == tmp_path / "models/det.onnx"
    assert model.shapes == {"images": ("N", 3, 640, 640), "0": ()}
    assert (model.inputs["0"].low, model.inputs["0"].high) == (0, 30522)


def test_a_single_value_stands_for_a_list_and_gpu_0_is_gpu(tmp_path: Path) -> None:
    text = MODELS + "matrix: {devices: 'AUTO:GPU.0,CPU', scenarios: async, batch: 2, streams: 4}\nexclude:\n"
    campaign = campaign_of(text, tmp_path)
    assert campaign.matrix == Matrix(
        devices=("AUTO:GPU,CPU",), scenarios=(Scenario.ASYNC,), batch=(2,), streams=(4,)
    )
    assert campaign.exclude == ()


def test_aliases_are_read(tmp_path: Path) -> None:
    text = MODELS + "exclude: [{model: &m [resnet-50], batch: 1}]\ninclude: [{model: *m, batch: 2}]\n"
    assert campaign_of(text, tmp_path).include == (Extra(model=("resnet-50",), batch=(2,)),)


def test_switches_and_properties_as_they_are_written(tmp_path: Path) -> None:
    text = MODELS + (
        "matrix:\n  pinning: [yes, false, auto]\n  cache: on\n"
        "  properties: [{B_INT: 3, A_BOOL: false, C_FLOAT: 0.5, D_TEXT: x}, auto]\n"
    )
    matrix = campaign_of(text, tmp_path).matrix
    assert (matrix.pinning, matrix.cache) == (("yes", "no", "auto"), ("yes",))
    assert matrix.properties == (
        (("A_BOOL", "NO"), ("B_INT", "3"), ("C_FLOAT", "0.5"), ("D_TEXT", "x")),
        (),
    )


@pytest.mark.parametrize(("name", "key"), KEY_OF.items())
def test_a_property_that_has_a_key_of_its_own(name: str, key: str, tmp_path: Path) -> None:
    text = MODELS + f"matrix:\n  properties: [auto, {{{name}: 1}}]\n"
    assert problems_of(text, tmp_path) == [
        (
            f"F:5:{25 + len(name)}: matrix.properties[1].{name}: {name} is set by the key {key}; use that "
            "(rule property_has_key)"
        )
    ]


PREPROCESS = HEAD + "models:\n  - name: det\n    path: det.onnx\n    preprocess:\n      x: "


def test_preprocessing_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "det.onnx").write_bytes(b"")
    text = PREPROCESS + "{resize: [720, 1280], mean: [1, 2.5, 3], scale: 255, reverse_channels: yes}\n"
    text += "  - {name: resnet-50, preprocess: {data: {type: f16}}}\n"
    own, builtin = campaign_of(text, tmp_path).models
    assert own.preprocess["x"].model_dump() == {
        "type": "u8",
        "layout": "NHWC",
        "model_layout": "NCHW",
        "resize": (720, 1280),
        "mean": (1.0, 2.5, 3.0),
        "scale": (255.0,),
        "reverse_channels": True,
    }
    assert builtin.preprocess["data"].type == "f16"


CAMPAIGN_PROBLEMS = {
    "preprocessing": (
        PREPROCESS + "{type: U8, layout: HWX, resize: 5, mean: [a], reverse_channels: maybe, sclae: 1}\n",
        [
            'F:7:17: models[0].preprocess.x.type: "U8" is not one of u8, i8, f16, f32 (did you mean "u8"?)',
            (
                'F:7:29: models[0].preprocess.x.layout: "HWX" is not a layout; expected letters of NCDHW, '
                "each once, such as NHWC"
            ),
            (
                "F:7:42: models[0].preprocess.x.resize: 5 is not a size; expected [height, width], as "
                "[720, 1280]"
            ),
            'F:7:52: models[0].preprocess.x.mean[0]: "a" is not a number',
            'F:7:74: models[0].preprocess.x.reverse_channels: "maybe" is neither yes nor no',
            (
                'F:7:81: models[0].preprocess.x: unknown key "sclae"; did you mean "scale"? known keys: '
                "type, layout, model_layout, resize, mean, scale, reverse_channels"
            ),
        ],
    ),
    "preprocessing layouts": (
        PREPROCESS + "{layout: HWC}\n",
        [
            "F:7:19: models[0].preprocess.x.layout: HWC and model_layout NCHW do not have the same letters",
        ],
    ),
    "preprocessing without sizes": (
        PREPROCESS + "{layout: NC, model_layout: NC, resize: [2, 2]}\n",
        [
            "F:7:49: models[0].preprocess.x.resize: a height and a width need H and W in the layout (NC)",
        ],
    ),
    "preprocessing without channels": (
        PREPROCESS + "{layout: NHW, model_layout: NHW, scale: [1, 2]}\n",
        [
            "F:7:50: models[0].preprocess.x.scale: this is about channels, and the layout (NHW) has no C",
        ],
    ),
    "preprocessing by zero": (
        PREPROCESS + "{scale: [1, 0, 2]}\n",
        ["F:7:18: models[0].preprocess.x.scale: 0 cannot be divided by"],
    ),
    "further settings": (
        MODELS + "matrix:\n  inference_precision: fp16\n  execution_mode: fast\n  pinning: [1, nope]\n"
        "  core_type: [pcores]\n  hint_requests: 0\n  cache: /tmp/x\n",
        [
            (
                'F:5:24: matrix.inference_precision: "fp16" is not one of auto, f32, bf16, f16, dynamic (did '
                'you mean "f16"?)'
            ),
            'F:6:19: matrix.execution_mode: "fast" is not one of auto, performance, accuracy',
            "F:7:13: matrix.pinning[0]: 1 is not one of auto, yes, no",
            'F:7:16: matrix.pinning[1]: "nope" is not one of auto, yes, no (did you mean "no"?)',
            (
                'F:8:15: matrix.core_type[0]: "pcores" is not one of auto, any, pcore, ecore (did you mean '
                '"pcore"?)'
            ),
            "F:9:18: matrix.hint_requests: 0 is neither auto nor a whole number from 1 to 65536",
            'F:10:10: matrix.cache: "/tmp/x" is not one of auto, yes, no',
        ],
    ),
    "properties": (
        MODELS + "matrix:\n  properties:\n    - fast\n    - {lower: 1}\n    - {A: []}\n"
        "    - {WEIGHTS_PATH: /x}\n    - {DEVICE_PROPERTIES: {CPU: {A: 1}}}\n",
        [
            (
                'F:6:7: matrix.properties[0]: "fast" is neither auto nor a mapping such as '
                "{ENABLE_CPU_RESERVATION: true}"
            ),
            (
                'F:7:7: matrix.properties[1]: "lower" is not the name of a property; expected one such as '
                "ENABLE_CPU_RESERVATION"
            ),
            (
                "F:8:11: matrix.properties[2].A: a list is not the value of a property: text, a number, true "
                "or false"
            ),
            (
                "F:9:22: matrix.properties[3].WEIGHTS_PATH: WEIGHTS_PATH names a file or a folder of the "
                "machine, which a campaign cannot know"
            ),
            (
                "F:10:27: matrix.properties[4].DEVICE_PROPERTIES: give the properties of a device as they "
                "are: each goes to the devices that know it (rule property_has_key)"
            ),
        ],
    ),
    "properties in rules": (
        MODELS + "matrix: {properties: [auto, {A: 1}, {A: 1}]}\n",
        ["F:4:37: matrix.properties[2]: {A: 1} is listed twice"],
    ),
    "a device that is excluded": (
        MODELS + "matrix: {devices: 'AUTO:CPU,-CPU'}\n",
        ['F:4:19: matrix.devices: "AUTO:CPU,-CPU" lists CPU and excludes it'],
    ),
    "unknown key at the top": (
        HEAD + "modles: [resnet-50]\nmodels: [resnet-50]\n",
        [
            (
                'F:3:1: unknown key "modles"; did you mean "models"? known keys: schema_version, '
                "name, title, "
                "machines, models, matrix, exclude, include, runs, measure, limits, seed"
            )
        ],
    ),
    "unknown key without a neighbour": (
        MODELS + "limits:\n  zzzz: 1\n",
        [
            (
                'F:5:3: limits: unknown key "zzzz"; known keys: run_timeout_s, memory_mb, '
                "machine_deadline, campaign_deadline, restarts"
            )
        ],
    ),
    "missing keys": (
        "# a comment\nschema_version: 1\n",
        ['F:2:1: the key "models" is missing', 'F:2:1: the key "name" is missing'],
    ),
    "newer version": (
        "schema_version: 2\nnews: 1\n",
        ["F:1:17: schema_version: 2 is newer than this program knows (1); update fleetmark"],
    ),
    "no version": (
        "schema_version: true\nname: x\nmodels: [resnet-50]\n",
        ["F:1:17: schema_version: true is not a version that is known here; expected 1"],
    ),
    "bad name": (
        "schema_version: 1\nname: My Demo\nmodels: [resnet-50]\n",
        [
            (
                'F:2:7: name: "My Demo" is not a name; expected 1 to 64 small letters, digits, - and _, '
                "with a letter or digit at both ends"
            )
        ],
    ),
    "name is a number": (
        "schema_version: 1\nname: 5\nmodels: [resnet-50]\n",
        ["F:2:7: name: 5 is not text; put it in quotes"],
    ),
    "title is empty": (MODELS + "title: ''\n", ["F:4:8: title: the text is empty"]),
    "title is long": (
        MODELS + f"title: {'x' * 201}\n",
        [f'F:4:8: title: "{"x" * 60}…" has 201 characters; expected at most 200'],
    ),
    "choice": (
        MODELS + "matrix:\n  scenarios: [sync, asnyc]\n",
        ['F:5:21: matrix.scenarios[1]: "asnyc" is not one of sync, async (did you mean "async"?)'],
    ),
    "choices": (
        MODELS + "matrix:\n  precisions: fp16\n  hint: [7]\n",
        [
            'F:5:15: matrix.precisions: "fp16" is not one of native, FP32, FP16 (did you mean "FP16"?)',
            "F:6:10: matrix.hint[0]: 7 is not one of auto, latency, throughput, cumulative_throughput, none",
        ],
    ),
    "devices": (
        MODELS + "matrix:\n  devices: [cpu, MULTI, 'HETERO:CPU,XPU', 'BATCH:CPU,GPU', 'AUTO:GPU,GPU.0', 3]\n",
        [
            (
                'F:5:13: matrix.devices[0]: "cpu" is not the name of a device; expected CPU, GPU, '
                "GPU.1, NPU, AUTO "
                'or AUTO:GPU,CPU (did you mean "CPU"?)'
            ),
            (
                'F:5:18: matrix.devices[1]: "MULTI" does not say which devices it is made of; '
                "expected one like "
                '"MULTI:GPU"'
            ),
            'F:5:25: matrix.devices[2]: "HETERO:CPU,XPU" lists "XPU", which is not the name of a device',
            (
                'F:5:43: matrix.devices[3]: "BATCH:CPU,GPU" lists more than one device; expected one like '
                '"BATCH:GPU"'
            ),
            'F:5:60: matrix.devices[4]: "AUTO:GPU,GPU.0" lists a device twice',
            "F:5:78: matrix.devices[5]: 3 is not the name of a device, such as CPU or GPU",
        ],
    ),
    "counts": (
        MODELS + "matrix:\n  streams: [0, atuo]\n  batch: '3'\n  threads: true\n",
        [
            "F:5:13: matrix.streams[0]: 0 is neither auto nor a whole number from 1 to 65536",
            (
                'F:5:16: matrix.streams[1]: "atuo" is neither auto nor a whole number from 1 to 65536 '
                '(did you mean "auto"?)'
            ),
            'F:6:10: matrix.batch: "3" is not a whole number; write it without quotes',
            "F:7:12: matrix.threads: true is neither auto nor a whole number from 1 to 65536",
        ],
    ),
    "twice and empty": (
        MODELS + "matrix:\n  devices: [GPU, GPU.0]\n  batch: []\n",
        [
            'F:5:18: matrix.devices[1]: "GPU" is listed twice',
            (
                "F:6:10: matrix.batch: the list is empty; nothing is left to measure; give a "
                "value, or leave the "
                "key out for its default"
            ),
        ],
    ),
    "numbers": (
        MODELS + "runs: 0\nseed: 1.5\nmeasure: {duration_s: true, warmup_s: -1, max_iterations: 20000000}\n"
        "limits: {run_timeout_s: .inf, memory_mb: 10}\n",
        [
            "F:4:7: runs: 0 is too small; expected at least 1",
            "F:5:7: seed: 1.5 is not a whole number",
            "F:6:23: measure.duration_s: true is not a number",
            "F:6:39: measure.warmup_s: -1 is too small; expected at least 0",
            "F:6:59: measure.max_iterations: 20000000 is too large; expected at most 10,000,000",
            "F:7:25: limits.run_timeout_s: inf is not a finite number",
            "F:7:42: limits.memory_mb: 10 is too small; expected at least 64",
        ],
    ),
    "a least that is more than the most": (
        MODELS + "measure: {min_duration_s: 9}\nruns: 0\n",
        [
            "F:4:27: measure.min_duration_s: 9 is more than duration_s (5)",
            "F:5:7: runs: 0 is too small; expected at least 1",
        ],
    ),
    **{
        f"interval_target {value}": (
            f"{MODELS}measure: {{interval_target: {value}}}\n",
            [
                (
                    f"F:4:28: measure.interval_target: {shown_value} is neither none nor a share between "
                    f"0 and 1, such as 0.01 or 1 %{near}"
                )
            ],
        )
        for value, shown_value, near in (
            ("1", "1", ' (did you mean "1 %"?)'),
            ("0", "0", ""),
            ("100 %", '"100 %"', ""),
            ("0 %", '"0 %"', ""),
            ("-1 %", '"-1 %"', ""),
            ("true", "true", ""),
            (".nan", "nan", ""),
            ("never", '"never"', ""),
            ("[0.1]", "a list", ""),
        )
    },
    **{
        f"deadline {value}": (
            f"{MODELS}limits: {{campaign_deadline: {value}}}\n",
            [f"F:4:29: limits.campaign_deadline: {sentence}"],
        )
        for value, sentence in (
            ("12", f'12 {NO_TIME} (did you mean "12 h"?)'),
            ("12 hours", f'"12 hours" {NO_TIME}'),
            ("0", f"0 {NO_TIME}"),
            ("true", f"true {NO_TIME}"),
            ("[1 h]", f"a list {NO_TIME}"),
            ("0 h", '"0 h" is not between 0 and 365 d'),
            ("366 d", '"366 d" is not between 0 and 365 d'),
        )
    },
    **{
        f"openvino {value}": (
            f"{MODELS}matrix: {{openvino: {value}}}\n",
            [f"F:4:20: matrix.openvino: {sentence}"],
        )
        for value, sentence in (
            (
                "2026.1",
                (
                    "2026.1 is a number, and as a number 2026.10 would be 2026.1; put the release in quotes: "
                    '"2026.1"'
                ),
            ),
            ("2026", "2026 is a number, and as a number 2026.10 would be 2026.1; put the release in quotes"),
            ("'2026'", f'"2026" {NO_RELEASE}'),
            ("v2026.4", f'"v2026.4" {NO_RELEASE}'),
            ("latest", f'"latest" {NO_RELEASE}'),
            ("autp", f'"autp" {NO_RELEASE} (did you mean "auto"?)'),
            ("true", f"true {NO_RELEASE}"),
            ("2026.4.1-22982", f'"2026.4.1-22982" {NO_RELEASE}'),
        )
    },
    "timed_region": (
        MODELS + "measure: {timed_region: with_input_cpoy}\n",
        [
            (
                'F:4:25: measure.timed_region: "with_input_cpoy" is not one of inference, with_input_copy '
                '(did you mean "with_input_copy"?)'
            )
        ],
    ),
    "contradicting numbers, beside another error": (
        MODELS + "runs: x\nmeasure: {min_iterations: 20, max_iterations: 10}\nlimits: {run_timeout_s: 5.5}\n",
        [
            'F:4:7: runs: "x" is not a whole number',
            "F:5:27: measure.min_iterations: 20 is more than max_iterations (10)",
            (
                "F:6:25: limits.run_timeout_s: 5.5 s is no longer than warm-up and measurement "
                "together (5.5 s): "
                "every run would be ended before it is done"
            ),
        ],
    ),
    "models": (
        HEAD + "models:\n  - resnet50\n  - zebra\n  - {name: det, path: gone/det.onnx}\n  - 5\n"
        "  - {name: resnet-50, path: det.onnx}\n  - {name: dir, path: .}\n  - {nam: det}\n",
        [
            (
                'F:4:5: models[0]: "resnet50" is not a built-in model; did you mean "resnet-50"? '
                "built-in models: minilm-l6, mobilenet-v2, resnet-50"
            ),
            (
                'F:5:5: models[1]: "zebra" is not a built-in model; a model of your own needs a path; '
                "built-in models: minilm-l6, mobilenet-v2, resnet-50"
            ),
            'F:6:23: models[2].path: "D/gone/det.onnx" does not exist',
            (
                "F:7:5: models[3]: 5 is not a mapping of keys and values; known keys: name, path, files, "
                "shapes, inputs, preprocess, task"
            ),
            'F:8:12: models[4].name: "resnet-50" is the name of a built-in model; choose another',
            'F:9:23: models[5].path: "D" is a directory; expected the model\'s file',
            'F:10:5: models[6]: the key "name" is missing',
            (
                'F:10:6: models[6]: unknown key "nam"; did you mean "name"? known keys: name, path, '
                "files, shapes, inputs, preprocess, task"
            ),
        ],
    ),
    "no models": (HEAD + "models: []\n", ["F:3:9: models: the list is empty; nothing is left to measure"]),
    "models is a name": (HEAD + "models: resnet-50\n", ['F:3:9: models: "resnet-50" is not a list']),
    "a model twice": (
        HEAD + "models:\n  - resnet-50\n  - {name: resnet-50}\n",
        ['F:5:12: models[1].name: "resnet-50" is already the name of models[0] (line 4)'],
    ),
    "shapes and inputs": (
        HEAD + "models:\n  - name: det\n    path: det.onnx\n    shapes: {x: [M, 0]}\n"
        "    inputs: {x: {low: 1, high: 1}, y: {lo: 1}}\n",
        [
            (
                'F:6:18: models[0].shapes.x[0]: "M" is neither N (the batch) nor a whole number from 1 '
                "to 2147483648"
            ),
            (
                "F:6:21: models[0].shapes.x[1]: 0 is neither N (the batch) nor a whole number from 1 "
                "to 2147483648"
            ),
            "F:7:17: models[0].inputs.x: low (1) is not less than high (1)",
            'F:7:40: models[0].inputs.y: unknown key "lo"; did you mean "low"? known keys: low, high',
        ],
    ),
    "shapes of a built-in model": (
        HEAD + "models: [{name: resnet-50, shapes: {x: [N]}}]\n",
        ['F:3:36: models[0].shapes: shapes belongs to a model of your own, and "resnet-50" has no path'],
    ),
    "machines": (
        MODELS + "machines: box\n",
        ['F:4:11: machines: "box" is neither all nor a list of names; one name is written as [name]'],
    ),
    "machine twice": (MODELS + "machines: [a, a]\n", ['F:4:15: machines[1]: "a" is listed twice']),
    "rules": (
        MODELS + "matrix: {hint: [auto]}\nexclude:\n  - {model: resnet, batch: [1, 8]}\n  - {}\n",
        [
            (
                "F:7:5: exclude[1]: the rule is empty; give at least one of model, device, "
                "precision, scenario, "
                "batch, hint, streams, threads, requests, inference_precision, execution_mode, pinning, "
                "hyper_threading, core_type, hint_requests, cache, properties, openvino, machine"
            )
        ],
    ),
    "values of rules": (
        MODELS
        + "exclude:\n  - {model: resnet, batch: [1, 8], device: NPU}\n  - {hint: cumulative_throughput}\n"
        "  - {hint: latency}\ninclude:\n  - {model: [resnet-50, mobilenet]}\n  - {batch: 2}\n",
        [
            (
                'F:5:13: exclude[0].model: "resnet" is not a model of this campaign; did you mean '
                '"resnet-50"? '
                "known: resnet-50"
            ),
            "F:5:32: exclude[0].batch[1]: 8 is not in matrix.batch, so this leaves nothing out; values: 1",
            (
                'F:5:44: exclude[0].device: "NPU" is not in matrix.devices, so this leaves nothing out; '
                "values: CPU"
            ),
            (
                'F:6:12: exclude[1].hint: "cumulative_throughput" is not in matrix.hint, so this '
                "leaves nothing "
                "out; values: auto"
            ),
            'F:10:5: include[1]: the key "model" is missing',
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CAMPAIGN_PROBLEMS.values(), ids=CAMPAIGN_PROBLEMS)
def test_a_bad_campaign(text: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "det.onnx").write_bytes(b"")
    assert problems_of(text, tmp_path) == expected


LAB = "schema_version: 1\nname: lab\n"
LAB_PROBLEMS = {
    "a name twice": (
        LAB + "machines:\n  - name: box\n  - name: other\n  - devices: CPU\n    name: box\n",
        ['F:7:11: machines[2].name: "box" is already the name of machines[0] (line 4)'],
    ),
    "devices and start": (
        LAB + "machines: [{name: a, devices: [XPU, AUTO, GPU.01], start: dockr}, {name: Box}]\n",
        [
            (
                'F:3:32: machines[0].devices[0]: "XPU" is not the name of a device; expected CPU, '
                "GPU, GPU.1 or "
                'NPU (did you mean "NPU"?)'
            ),
            (
                'F:3:37: machines[0].devices[1]: "AUTO" is not a device of a machine; AUTO and '
                "composites belong "
                "in campaign.yaml"
            ),
            (
                'F:3:43: machines[0].devices[2]: "GPU.01" is not the name of a device; expected '
                "CPU, GPU, GPU.1 "
                'or NPU (did you mean "GPU.1"?)'
            ),
            (
                'F:3:59: machines[0].start: "dockr" is not one of local, docker, waiting '
                '(did you mean "docker"?)'
            ),
            (
                'F:3:74: machines[1].name: "Box" is not a name; expected 1 to 64 small letters, '
                "digits, - and _, "
                "with a letter or digit at both ends"
            ),
        ],
    ),
    "no machines": (
        LAB + "machines: []\n",
        ["F:3:11: machines: the list is empty; a lab has at least one machine"],
    ),
    "nothing given": (
        LAB + "machines:\n",
        ["F:3:1: machines: an empty value is not a list"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), LAB_PROBLEMS.values(), ids=LAB_PROBLEMS)
def test_a_bad_lab(text: str, expected: list[str], tmp_path: Path) -> None:
    assert problems_of(text, tmp_path, "lab") == expected


YAML_PROBLEMS = {
    "empty": ("", ['F: the file is empty; expected keys and values, beginning with "schema_version: 1"']),
    "only a comment": (
        "# nothing\n",
        ['F: the file is empty; expected keys and values, beginning with "schema_version: 1"'],
    ),
    "a list": (
        "# x\n- a\n",
        ['F:2:1: the file holds a list; expected keys and values, beginning with "schema_version: 1"'],
    ),
    "text": (
        "hello\n",
        ['F:1:1: the file holds text; expected keys and values, beginning with "schema_version: 1"'],
    ),
    "tabs": (HEAD + "matrix:\n\tbatch: 1\n", ["F:4:1: a tab cannot indent YAML; use spaces"]),
    "not UTF-8": (b"name: x\ntitle: caf\xe9\n", ["F:2:11: byte 0xe9 is not UTF-8; save the file as UTF-8"]),
    "UTF-16": ("name: x\n".encode("utf-16"), ["F:1:1: byte 0xff is not UTF-8; save the file as UTF-8"]),
    "control character": ("name: x\ntitle: a\x07b\n", ["F:2:9: a control character is not allowed in YAML"]),
    "too large": (b"#" * (MAX_BYTES + 1), ["F: the file is larger than 1,048,576 bytes"]),
    "colon in text": (
        "title: one: two\n",
        ['F:1:11: a ":" is not expected here; put text that holds ": " in quotes, and check the indentation'],
    ),
    "no colon": (
        "name: x\nruns 3\nseed: 1\n",
        ['F:3:1: the line before holds no key: expected ":" after the key'],
    ),
    "open quote": ("name: 'x\n", ["F:2:1: a quote is opened and not closed"]),
    "open bracket": (
        "models: [a, b\nruns: 3\n",
        ['F:2:5: expected "," or "]": a bracket is not closed, or a comma is missing'],
    ),
    "indentation": ("a:\n  b: 1\n c: 2\n", ["F:3:2: the indentation does not fit the lines above"]),
    "special character": ("name: @x\n", ['F:1:7: a value cannot begin with "@"; put the text in quotes']),
    "escape": (
        'title: "\\q"\n',
        ['F:1:10: "\\q" is no escape of a double-quoted text; use single quotes'],
    ),
    "alias of nothing": ("name: *x\n", ['F:1:7: the alias "*x" refers to nothing: no "&x" is above it']),
    "two documents": (
        HEAD + "---\nname: x\n",
        ['F:3:1: a second document begins here ("---"); expected one document in the file'],
    ),
    "other YAML errors": (
        "title: |2x\n  b\n",
        ["F:1:10: not valid YAML: expected chomping or indentation indicators, but found 'x'"],
    ),
    "nested deeply": ("[" * 5000, ["F: the values are nested too deeply to be read"]),
    "billion laughs": (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        ["F: the file holds more than 100,000 values, aliases expanded"],
    ),
    "alias of itself": (
        MODELS + "exclude: &e\n  - {batch: 1}\n  - *e\n",
        [
            "F:4:10: exclude[1]: an alias refers to what it is a part of",
            (
                "F:4:10: exclude[1]: an empty value is not a mapping of keys and values; known "
                "keys: model, device, "
                "precision, scenario, batch, hint, streams, threads, requests, inference_precision, "
                "execution_mode, pinning, hyper_threading, core_type, "
                "hint_requests, cache, properties, openvino, machine"
            ),
        ],
    ),
    "keys twice": (
        MODELS + "measure:\n  duration_s: 1\n  duration_s: 2\nruns: 2\nruns: x\n",
        [
            'F:6:3: measure: the key "duration_s" is given twice; the first is on line 5',
            'F:8:1: the key "runs" is given twice; the first is on line 7',
        ],
    ),
    "odd keys": (
        MODELS + "? [a]\n: 1\nmatrix: {<<: {batch: 2}}\n",
        [
            "F:4:3: a key must be text, not a list or a mapping",
            'F:6:10: matrix: "<<" (merging mappings) is not read here; write the keys out',
        ],
    ),
    "tag": (
        "schema_version: 1\nname: !!python/object:os.system x\nmodels: [resnet-50]\n",
        ['F:2:7: name: the tag "!!python/object:os.system" has no meaning here'],
    ),
}


@pytest.mark.parametrize(("text", "expected"), YAML_PROBLEMS.values(), ids=YAML_PROBLEMS)
def test_bad_yaml(text: str | bytes, expected: list[str], tmp_path: Path) -> None:
    assert problems_of(text, tmp_path) == expected


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, sentence in (
        (tmp_path / "gone.yaml", "there is no such file"),
        (tmp_path, "this is a directory; expected a YAML file"),
        (tmp_path / "a\0b", "the file cannot be read: embedded null byte"),
        (tmp_path / ("x" * 300), "the file cannot be read: File name too long"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load_lab(path)
        assert caught.value.problems == (f"{path}: {sentence}",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB)
    path.chmod(0)
    with pytest.raises(ConfigurationError) as caught:
        load_lab(path)
    assert caught.value.problems == (f"{path}: the file cannot be read: Permission denied",)


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "\ufeffa: [N, no, none, 012, 0x1f, -0o17, 1_000, 1e3, -.inf, 2001-01-01, ~, true, '1', 1:30]\r\n"
        f"b: {'1' * 5000}\r\nc: &x 1\r\nd: &x 2\r\ne: *x\r\nf: .nan\r\n"
    )
    value = read_source(path).value
    assert value["a"] == [
        *("N", "no", "none", 12, 31, -15, 1000, 1000.0, -float("inf"), "2001-01-01", None, True, "1", "1:30")
    ]
    assert value["b"] == "1" * 5000
    assert value["e"] == 2
    assert value["f"] != value["f"]


def test_both_files_are_reported_at_once(tmp_path: Path) -> None:
    lab, campaign = tmp_path / "lab.yaml", tmp_path / "campaign.yaml"
    lab.write_text(LAB + "machines: [{name: box, device: CPU}]\n")
    campaign.write_text(MODELS + "runs: 0\n")
    with pytest.raises(ConfigurationError) as caught:
        load_both(lab, campaign, BUILTIN)
    assert caught.value.problems == (
        (
            f'{lab}:3:24: machines[0]: unknown key "device"; did you mean "devices"? known keys: name, '
            f"devices, account, start, price, currency, priced_on, watts"
        ),
        f"{campaign}:4:7: runs: 0 is too small; expected at least 1",
    )


def test_names_of_machines_are_checked_against_the_lab(tmp_path: Path) -> None:
    lab, campaign = tmp_path / "lab.yaml", tmp_path / "campaign.yaml"
    lab.write_text(LAB + "machines: [{name: box-1}, {name: box-2}]\n")
    campaign.write_text(
        MODELS + "machines: [box-2, bax-1]\nexclude: [{machine: box-1}]\n"
        "include: [{model: resnet-50, machine: [box-2, q]}]\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_both(lab, campaign, BUILTIN)
    assert [line.removeprefix(str(campaign)) for line in caught.value.problems] == [
        ':4:19: machines[1]: "bax-1" is not a machine of the lab; did you mean "box-1"? known: box-1, box-2',
        (
            ':5:21: exclude[0].machine: "box-1" is not a machine of this campaign; did you mean "box-2"? '
            "known: box-2"
        ),
        ':6:47: include[0].machine[1]: "q" is not a machine of this campaign; known: box-2',
    ]


def test_the_example_campaign_is_the_demo() -> None:
    lab, campaign = load_both(EXAMPLES / "lab.yaml", EXAMPLES / "campaign.yaml", BUILTIN)
    assert [(machine.name, machine.devices, machine.start) for machine in lab.machines] == [
        ("this-machine", ("CPU",), "local")
    ]
    (settings,) = expand(lab, campaign).settings.values()
    assert len(settings) == 6
    assert campaign.runs == 6
    # Two slow cores take about 1.5 s beside the measurement of each run: start, load, compile.
    seconds = len(settings) * campaign.runs * (campaign.measure.duration_s + campaign.measure.warmup_s + 1.5)
    assert seconds < 90


def test_every_key_is_in_the_example_of_every_key(tmp_path: Path) -> None:
    text = (EXAMPLES / "every-key.yaml").read_text()
    (tmp_path / "every-key.yaml").write_text(text)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/my-detector.onnx").write_bytes(b"")
    lab, campaign = load_both(EXAMPLES / "lab.yaml", tmp_path / "every-key.yaml", BUILTIN)
    assert len(expand(lab, campaign).settings["this-machine"]) == 13
    raw = YAML(typ="safe", pure=True).load(text)
    sections: dict[str, tuple[Any, Any]] = {
        "campaign": (raw, Campaign),
        "matrix": (raw["matrix"], Matrix),
        "exclude": (raw["exclude"][1], Rule),
        "include": (raw["include"][1], Extra),
        "measure": (raw["measure"], type(campaign.measure)),
        "limits": (raw["limits"], type(campaign.limits)),
    }
    for section, (given_keys, model) in sections.items():
        assert list(given_keys) == list(model.model_fields), section
    assert list(raw["models"][1]) == list(ModelEntry.model_fields)
    assert list(raw["models"][1]["preprocess"]["images"]) == list(PreprocessEntry.model_fields)
    # What is marked as a default is the default: without those lines, the campaign is the same.
    short = campaign_of(MODELS, tmp_path)
    assert (campaign.runs, campaign.measure, campaign.limits, campaign.seed) == (
        *(short.runs, short.measure, short.limits, short.seed),
    )


@pytest.mark.parametrize("name", ["lab", "campaign", "every-key"])
def test_each_example_names_its_schema(name: str) -> None:
    first = (EXAMPLES / f"{name}.yaml").read_text().splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert (
        json.loads((EXAMPLES / schema).read_text())["title"]
        == f"fleetmark {'lab' if name == 'lab' else 'campaign'}"
    )


def test_the_schemas_in_the_examples_are_up_to_date(tmp_path: Path) -> None:
    write_schemas(tmp_path / "new")
    written = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert written == schema_files()
    stored = {path.name: path.read_text() for path in (EXAMPLES / "schemas").iterdir()}
    assert stored == written, "run: .venv/bin/python -m integrator.config"


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        # A key of the campaign is called "properties": neither the mapping of keys nor a default is a schema.
        schema = [
            list(item.values()) if key == "properties" else item
            for key, item in schema.items()
            if key != "default"
        ]
    if isinstance(schema, list):
        for item in schema:
            yield from objects_in(item)


@pytest.mark.parametrize("schema", [lab_schema(), campaign_schema()], ids=["lab", "campaign"])
def test_every_key_of_a_schema_has_a_title_and_a_description(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    checked = 0
    for node in objects_in(schema):
        for name, entry in node.get("properties", {}).items():
            referred = schema["$defs"][entry["$ref"].rpartition("/")[2]] if "$ref" in entry else {}
            whole = {**referred, **entry}
            assert whole["title"], name
            assert whole["description"].endswith("."), name
            checked += 1
        if "properties" in node:
            assert node["additionalProperties"] is False
    assert checked == (37 if schema["title"] == "fleetmark lab" else 95)


def test_units_are_in_the_descriptions_of_the_schema() -> None:
    definitions = campaign_schema()["$defs"]
    for section, key, unit in (
        ("MeasureSection", "duration_s", "Seconds"),
        ("MeasureSection", "warmup_s", "Seconds"),
        ("LimitsSection", "run_timeout_s", "Seconds"),
        ("LimitsSection", "memory_mb", "MiB"),
        ("Matrix", "batch", "Samples"),
    ):
        assert unit in definitions[section]["properties"][key]["description"]


def test_hints_are_those_of_the_job_and_auto() -> None:
    assert set(get_args(get_args(HintChoice)[0])) == {"auto", *Hint}


@pytest.mark.parametrize(
    ("device", "needed"),
    [
        ("AUTO", ()),
        ("GPU", ("GPU",)),
        ("AUTO:GPU.1,CPU", ("GPU.1", "CPU")),
        ("AUTO:-CPU", ()),
        ("BATCH:GPU.0(4)", ("GPU",)),
        ("MULTI:CPU, NPU", ("CPU", "NPU")),
    ],
)
def test_what_a_device_needs(device: str, needed: tuple[str, ...]) -> None:
    assert device_names.needs(device_names.parse(device)) == needed
    assert re.fullmatch(device_names.PATTERN, device)


def test_values_are_shown_on_one_line_and_short() -> None:
    assert shown("a\nb\x1b") == '"a\\nb\\u001b"'
    assert len(shown("x" * 10_000)) == 63
    assert shown(10**5000) == "a very large number"


words = st.sampled_from(
    [
        *Campaign.model_fields,
        *Lab.model_fields,
        *Matrix.model_fields,
        *Rule.model_fields,
        "path",
        "shapes",
        "all",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def refusals_of(load: Callable[[Path], object], path: Path) -> tuple[str, ...]:
    try:
        load(path)
    except ConfigurationError as error:
        return error.problems
    return ()


slow = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@slow
@given(document=st.dictionaries(words, values, max_size=8))
def test_whatever_a_document_holds_is_refused_in_words(
    document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(json.dumps({"schema_version": 1, **document}), encoding="utf-8")
    for load in (load_lab, lambda file: load_campaign(file, BUILTIN)):
        for line in refusals_of(load, path):
            assert re.match(rf"{re.escape(str(path))}:1:\d+: ", line)
            assert "is not accepted" not in line


@slow
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#,? \n\t%@`1.~\\", max_size=40))
def test_whatever_a_file_holds_is_read_or_refused(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(refusals_of(read_source, path)) < 2


def test_halves_of_characters_are_read(tmp_path: Path) -> None:
    text = MODELS + 'title: "\\ud83d\\ude00 \\ud83d"\n'
    assert campaign_of(text, tmp_path).title == "\U0001f600 \ufffd"
