from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from integrator.config import Campaign, Lab, load_both
from integrator.matrix import LeftOut, expand
from integrator.models import PreparedModel
from integrator.plan import make_plan
from integrator.setting import Setting
from protocol.errors import ConfigurationError
from protocol.job import Hint, Job, Measure, ModelFile, ModelRef, Scenario
from protocol.layout import TestId

BUILTIN = ("resnet-50", "minilm-l6")


def lab_of(**machines: list[str]) -> Lab:
    entries = [{"name": name, "devices": devices} for name, devices in machines.items()]
    return Lab.model_validate({"schema_version": 1, "name": "lab", "machines": entries})


def campaign_of(**keys: Any) -> Campaign:
    return Campaign.model_validate({"schema_version": 1, "name": "x", "models": ["resnet-50"], **keys})


def setting(**keys: Any) -> Setting:
    defaults: dict[str, Any] = {
        "model": "resnet-50",
        "precision": "native",
        "device": "CPU",
        "scenario": Scenario.SYNC,
        "hint": Hint.LATENCY,
        "batch": 1,
    }
    return Setting(**{**defaults, **keys})


def refusal(tmp_path: Path, campaign: str, lab: str = "[{name: box}]") -> list[str]:
    """The problems of the expansion of a campaign file, with the file's name replaced by `F`."""
    lab_file, campaign_file = tmp_path / "lab.yaml", tmp_path / "campaign.yaml"
    lab_file.write_text(f"schema_version: 1\nname: lab\nmachines: {lab}\n")
    campaign_file.write_text(f"schema_version: 1\nname: demo\n{campaign}")
    both = load_both(lab_file, campaign_file, BUILTIN)
    with pytest.raises(ConfigurationError) as caught:
        expand(*both)
    return [line.replace(str(campaign_file), "F") for line in caught.value.problems]


def test_the_defaults_are_sync_and_async_with_the_hint_that_suits() -> None:
    expansion = expand(lab_of(box=["CPU"]), campaign_of())
    assert expansion.settings == {
        "box": (setting(), setting(scenario=Scenario.ASYNC, hint=Hint.THROUGHPUT)),
    }
    assert expansion.left_out == ()


@pytest.mark.parametrize(
    ("keys", "scenario", "hint"),
    [
        ({}, Scenario.SYNC, Hint.LATENCY),
        ({}, Scenario.ASYNC, Hint.THROUGHPUT),
        ({"streams": 2}, Scenario.SYNC, Hint.NONE),
        ({"threads": 2}, Scenario.ASYNC, Hint.NONE),
        ({"requests": 4}, Scenario.ASYNC, Hint.THROUGHPUT),
        ({"hint": "none"}, Scenario.SYNC, Hint.NONE),
        ({"hint": "throughput"}, Scenario.SYNC, Hint.THROUGHPUT),
        ({"hint": "latency", "threads": 2}, Scenario.ASYNC, Hint.LATENCY),
        ({"hint": "none", "streams": 2}, Scenario.ASYNC, Hint.NONE),
        ({"requests": 1}, Scenario.SYNC, Hint.LATENCY),
    ],
)
def test_which_hint_is_set(keys: dict[str, Any], scenario: Scenario, hint: Hint) -> None:
    expansion = expand(lab_of(box=["CPU"]), campaign_of(matrix={"scenarios": scenario, **keys}))
    assert [item.hint for item in expansion.settings["box"]] == [hint]


def test_tests_are_in_the_order_of_the_file() -> None:
    campaign = campaign_of(
        models=["minilm-l6", "resnet-50"],
        matrix={"devices": ["GPU", "CPU"], "scenarios": "async", "batch": [8, 1]},
        include=[{"model": "minilm-l6", "scenario": "sync"}],
    )
    (settings,) = expand(lab_of(box=["CPU", "GPU"]), campaign).settings.values()
    assert [(item.model, item.device, item.batch) for item in settings] == [
        *itertools.product(["minilm-l6", "resnet-50"], ["GPU", "CPU"], [8, 1]),
        ("minilm-l6", "CPU", 1),
    ]


def test_machines_are_those_selected_in_the_order_of_the_lab() -> None:
    lab = lab_of(a=["CPU"], b=["CPU"], c=["CPU"])
    assert list(expand(lab, campaign_of()).settings) == ["a", "b", "c"]
    assert list(expand(lab, campaign_of(machines=["c", "a"])).settings) == ["a", "c"]


def test_the_same_setting_counts_once() -> None:
    campaign = campaign_of(
        matrix={"scenarios": "sync", "hint": ["auto", "latency", "none"]},
        include=[{"model": "resnet-50", "scenario": ["sync", "async"]}],
    )
    assert expand(lab_of(box=["CPU"]), campaign).settings["box"] == (
        setting(),
        setting(hint=Hint.NONE),
        setting(scenario=Scenario.ASYNC, hint=Hint.THROUGHPUT),
    )


def test_include_takes_defaults_and_lists_and_is_not_excluded() -> None:
    campaign = campaign_of(
        matrix={"scenarios": "sync", "batch": [1, 8]},
        exclude=[{"batch": 8}],
        include=[{"model": "resnet-50", "scenario": "async", "batch": [8, 16], "streams": 2, "machine": "b"}],
    )
    expansion = expand(lab_of(a=["CPU"], b=["CPU"]), campaign)
    assert expansion.settings["a"] == (setting(),)
    assert expansion.settings["b"] == (
        setting(),
        setting(scenario=Scenario.ASYNC, hint=Hint.NONE, batch=8, streams=2),
        setting(scenario=Scenario.ASYNC, hint=Hint.NONE, batch=16, streams=2),
    )


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"hint": "latency"}, ["async"]),
        ({"hint": "throughput"}, ["sync"]),
        ({"scenario": "sync", "model": ["resnet-50"]}, ["async"]),
        ({"scenario": ["async"], "device": "CPU", "precision": "native", "batch": 1}, ["sync"]),
        ({"scenario": "sync", "streams": "auto", "threads": "auto", "requests": "auto"}, ["async"]),
    ],
)
def test_what_a_rule_leaves_out(rule: dict[str, Any], left: list[str]) -> None:
    expansion = expand(lab_of(box=["CPU"]), campaign_of(exclude=[rule]))
    assert [item.scenario for item in expansion.settings["box"]] == left
    assert expansion.left_out == ()


def test_a_rule_on_hint_auto_means_what_was_asked_for() -> None:
    campaign = campaign_of(
        matrix={"scenarios": "sync", "hint": ["auto", "throughput"]}, exclude=[{"hint": "auto"}]
    )
    assert expand(lab_of(box=["CPU"]), campaign).settings["box"] == (setting(hint=Hint.THROUGHPUT),)


def test_a_rule_for_one_machine() -> None:
    campaign = campaign_of(exclude=[{"machine": "b", "scenario": "async"}])
    expansion = expand(lab_of(a=["CPU"], b=["CPU"]), campaign)
    assert {name: len(planned) for name, planned in expansion.settings.items()} == {"a": 2, "b": 1}


def test_an_excluded_contradiction_is_none() -> None:
    campaign = campaign_of(matrix={"requests": [1, 4]}, exclude=[{"scenario": "sync", "requests": 4}])
    assert len(expand(lab_of(box=["CPU"]), campaign).settings["box"]) == 3


def test_a_machine_without_the_device_is_told_why() -> None:
    campaign = campaign_of(matrix={"scenarios": "sync", "devices": ["CPU", "GPU.0", "AUTO", "AUTO:GPU,NPU"]})
    expansion = expand(lab_of(a=["CPU", "GPU", "NPU"], b=["CPU"]), campaign)
    devices = {name: [item.device for item in planned] for name, planned in expansion.settings.items()}
    assert devices == {"a": ["CPU", "GPU", "AUTO", "AUTO:GPU,NPU"], "b": ["CPU", "AUTO"]}
    assert expansion.left_out == (
        LeftOut("b", setting(device="GPU"), "b has no GPU (it has CPU)"),
        LeftOut("b", setting(device="AUTO:GPU,NPU"), "b has no GPU and no NPU (it has CPU)"),
    )


def test_a_machine_without_tests_is_left_out() -> None:
    campaign = campaign_of(matrix={"scenarios": "sync", "devices": ["GPU"]})
    expansion = expand(lab_of(a=["GPU"], b=["CPU"]), campaign)
    assert list(expansion.settings) == ["a"]
    assert expansion.left_out[-1] == LeftOut("b", None, "no test of the campaign is left for this machine")


REFUSALS = {
    "hint_requests without a hint": (
        "models: [resnet-50]\nmatrix:\n  streams: 2\n  hint_requests: 3\n",
        [
            (
                "F:6:18: matrix.hint_requests: hint_requests 3 cannot go with hint none, which auto becomes "
                "where streams or threads are given: it tells a hint more; leave the combination out with "
                "exclude: [{hint: none, hint_requests: 3}] (rule hint_requests_need_hint)"
            )
        ],
    ),
    "cumulative throughput on one device": (
        "models: [resnet-50]\nmatrix:\n  devices: [AUTO, CPU, 'MULTI:CPU']\n  hint: cumulative_throughput\n",
        [
            (
                "F:6:9: matrix.hint: hint cumulative_throughput cannot go with device CPU: it runs several "
                "devices at once, which AUTO and MULTI do; leave the combination out with "
                "exclude: [{device: CPU, hint: cumulative_throughput}] (rule cumulative_needs_several)"
            )
        ],
    ),
    "batch of BATCH": (
        "models: [resnet-50]\nmatrix:\n  devices: BATCH:CPU(4)\n  batch: [1, 8]\n",
        [
            (
                "F:6:14: matrix.batch[1]: batch 8 cannot go with device BATCH:CPU(4), which makes batches of "
                "single requests: OpenVINO leaves a model that has a batch as it is; leave the combination "
                'out with exclude: [{device: "BATCH:CPU(4)", batch: 8}] (rule batch_is_one)'
            )
        ],
    ),
    "accuracy in a low precision": (
        "models: [resnet-50]\nmatrix:\n  execution_mode: accuracy\n  inference_precision: [f32, bf16]\n",
        [
            (
                "F:6:30: matrix.inference_precision[1]: inference_precision bf16 cannot go with "
                "execution_mode accuracy, which it would undo; leave the combination out with exclude: "
                "[{execution_mode: accuracy, inference_precision: bf16}] (rule accuracy_or_precision)"
            )
        ],
    ),
    "AUTO without a device": (
        "models: [resnet-50]\nmatrix:\n  devices: ['AUTO:-CPU', CPU]\n",
        ["F:5:13: matrix.devices[0]: AUTO:-CPU leaves no device of any machine: box has CPU"],
    ),
    "sync with requests": (
        "models: [resnet-50]\nmatrix:\n  requests: [1, 4, 8]\n",
        [
            (
                "F:5:17: matrix.requests[1]: 4 requests cannot go with scenario sync, which has "
                "one request at a time; "
                "leave the combination out with exclude: [{scenario: sync, requests: 4}] "
                "(rule sync_one_request)"
            ),
            (
                "F:5:20: matrix.requests[2]: 8 requests cannot go with scenario sync, which has "
                "one request at a time; "
                "leave the combination out with exclude: [{scenario: sync, requests: 8}] "
                "(rule sync_one_request)"
            ),
        ],
    ),
    "hint with streams": (
        "models: [resnet-50]\nmatrix:\n  hint: [latency]\n  streams: 2\n",
        [
            (
                "F:6:12: matrix.streams: 2 streams cannot go with hint latency, which chooses the "
                "streams itself; "
                "leave the combination out with exclude: [{hint: latency, streams: 2}] "
                "(rule streams_or_hint)"
            )
        ],
    ),
    "contradictions of include": (
        (
            "models: [resnet-50]\ninclude:\n  - {model: resnet-50, requests: 4, hint: throughput, "
            "streams: [auto, 2]}\n"
        ),
        [
            (
                "F:5:34: include[0].requests: 4 requests cannot go with scenario sync, which has "
                "one request at a "
                "time; give scenario: async (rule sync_one_request)"
            ),
            (
                "F:5:71: include[0].streams[1]: 2 streams cannot go with hint throughput, which "
                "chooses the streams "
                "itself; give hint: none (rule streams_or_hint)"
            ),
        ],
    ),
    "absent devices": (
        (
            "models: [resnet-50]\nmatrix:\n  devices: [CPU, NPU, 'MULTI:GPU,CPU']\ninclude:\n"
            "  - {model: resnet-50, device: GPU.0}\n"
        ),
        [
            "F:5:18: matrix.devices[1]: no machine has NPU: box has CPU",
            "F:5:23: matrix.devices[2]: no machine has all of GPU, CPU: box has CPU",
            "F:7:32: include[0].device: no machine has GPU: box has CPU",
        ],
    ),
    "a rule without effect": (
        "models: [resnet-50]\nmatrix:\n  scenarios: sync\nexclude:\n  - {hint: throughput}\n",
        ["F:7:5: exclude[0]: the rule matches no combination of the matrix, so it leaves nothing out"],
    ),
    "everything excluded": (
        "models: [resnet-50]\nexclude:\n  - {scenario: sync}\n  - {batch: 1}\n",
        [
            (
                "F:1:1: nothing is left to measure: 1 test left out by exclude[0] (line 5); "
                "1 test left out by exclude[1] (line 6)"
            )
        ],
    ),
    "a model excluded": (
        "models:\n  - resnet-50\n  - minilm-l6\nexclude:\n  - {model: minilm-l6}\n",
        ['F:5:5: models[1]: "minilm-l6" is left without a test: 2 tests left out by exclude[0] (line 7)'],
    ),
    "a release beside none": (
        "models: [resnet-50]\nmatrix:\n  openvino: ['2025.4', auto]\ninclude:\n  - model: resnet-50\n",
        [
            (
                "F:5:24: matrix.openvino[1]: openvino auto cannot go beside 2025.4 on one machine "
                "(box): its runs would fall to whichever release is there at the time; name a release"
            ),
            (
                "F:7:5: include[0]: openvino auto cannot go beside 2025.4 on one machine "
                "(box): its runs would fall to whichever release is there at the time; name a release"
            ),
        ],
    ),
    "too many": (
        "models: [resnet-50]\nmatrix:\n  batch: [" + ", ".join(map(str, range(1, 401))) + "]\n"
        "  threads: [" + ", ".join(map(str, range(1, 201))) + "]\n",
        ["F:5:3: matrix: 160,000 combinations; expected at most 100,000"],
    ),
}


@pytest.mark.parametrize(("campaign", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_a_campaign_that_cannot_be_expanded(campaign: str, expected: list[str], tmp_path: Path) -> None:
    assert refusal(tmp_path, campaign) == expected


def test_a_model_without_a_machine_for_it(tmp_path: Path) -> None:
    campaign = (
        "models: [resnet-50, minilm-l6]\nmatrix: {devices: [CPU, GPU], scenarios: sync}\n"
        "exclude: [{model: minilm-l6, device: GPU, machine: a}, {model: minilm-l6, device: CPU}]\n"
    )
    lab = "[{name: a, devices: [CPU, GPU]}, {name: b}]"
    assert refusal(tmp_path, campaign, lab) == [
        (
            'F:3:21: models[1]: "minilm-l6" is left without a test: 2 tests left out by exclude[1] (line 5); '
            "1 test left out by exclude[0] (line 5); 1 test left out because b has no GPU (it has CPU)"
        )
    ]


def test_unknown_machines_are_refused_without_files() -> None:
    with pytest.raises(ConfigurationError) as caught:
        expand(lab_of(box=["CPU"]), campaign_of(machines=["bax"]))
    assert caught.value.problems == (
        '<campaign>: machines[0]: "bax" is not a machine of the lab; did you mean "box"? known: box',
    )


def test_the_id_of_a_test_does_not_change() -> None:
    assert setting(precision="FP32").test_id() == "resnet-50-fp32-cpu-sync-b1-latency-57425a52"
    busy = setting(device="AUTO:GPU.1,CPU", hint=Hint.NONE, streams=2, threads=4, requests=1)
    assert busy.test_id() == "resnet-50-native-auto-gpu-1-cpu-sync-b1-none-s2-t4-r1-2c38d40f"


FURTHER: dict[str, Any] = {
    "inference_precision": "bf16",
    "execution_mode": "accuracy",
    "pinning": "no",
    "hyper_threading": "yes",
    "core_type": "pcore",
    "hint_requests": 2,
    "cache": "yes",
    "properties": (("ENABLE_CPU_RESERVATION", "YES"),),
    "preprocess": "[]",
    "timed_region": "with_input_copy",
    "openvino": "2026.4",
}


def test_every_further_setting_changes_the_id() -> None:
    ids = {setting(**{key: value}).test_id() for key, value in FURTHER.items()}
    assert len(ids | {setting().test_id()}) == len(FURTHER) + 1
    assert setting(pinning="no").test_id().startswith("resnet-50-native-cpu-sync-b1-latency-pin-no-")
    assert setting(openvino="2026.4").test_id().startswith("resnet-50-native-cpu-sync-b1-latency-ov2026-4-")
    assert (
        setting(timed_region="with_input_copy")
        .test_id()
        .startswith("resnet-50-native-cpu-sync-b1-latency-copy-")
    )


def test_releases_are_a_dimension_and_stand_side_by_side_in_the_table() -> None:
    campaign = campaign_of(
        matrix={"scenarios": "sync", "batch": [1, 8], "openvino": ["2025.4", "2026.4"]},
        exclude=[{"openvino": "2025.4", "machine": "b"}],
    )
    planned = expand(lab_of(a=["CPU"], b=["CPU"]), campaign).settings
    assert [(item.batch, item.openvino) for item in planned["a"]] == [
        *itertools.product([1, 8], ["2025.4", "2026.4"])
    ]
    assert [(item.batch, item.openvino) for item in planned["b"]] == [(1, "2026.4"), (8, "2026.4")]


def test_one_machine_may_have_what_is_there_and_another_a_release() -> None:
    campaign = campaign_of(
        matrix={"openvino": ["auto", "2026.4"]},
        exclude=[{"openvino": "auto", "machine": "a"}, {"openvino": "2026.4", "machine": "b"}],
    )
    planned = expand(lab_of(a=["CPU"], b=["CPU"]), campaign).settings
    assert {name: {item.openvino for item in of} for name, of in planned.items()} == {
        "a": {"2026.4"},
        "b": {"auto"},
    }


def test_further_settings_are_dimensions_and_reach_the_setting() -> None:
    others = {"properties", "preprocess", "timed_region"}
    keys = {key: value for key, value in FURTHER.items() if key not in others}
    campaign = campaign_of(
        matrix={
            "scenarios": "async",
            "precisions": "FP32",
            "properties": ["auto", {"ENABLE_CPU_RESERVATION": True}],
            "pinning": ["auto", False],
            "core_type": "pcore",
            "openvino": "2026.4",
        },
        exclude=[{"properties": {"ENABLE_CPU_RESERVATION": True}, "pinning": "auto"}],
        include=[{"model": "resnet-50", "scenario": "async", **keys, "inference_precision": "f32"}],
    )
    planned = expand(lab_of(box=["CPU"]), campaign).settings["box"]
    common: dict[str, Any] = {"scenario": Scenario.ASYNC, "hint": Hint.THROUGHPUT}
    in_matrix = {**common, "precision": "FP32", "core_type": "pcore", "openvino": "2026.4"}
    assert planned == (
        setting(**in_matrix),
        setting(**in_matrix, pinning="no"),
        setting(**in_matrix, pinning="no", properties=(("ENABLE_CPU_RESERVATION", "YES"),)),
        setting(**{**common, **keys, "inference_precision": "f32"}),
    )


def test_settings_of_the_cpu_are_refused_where_there_is_none(tmp_path: Path) -> None:
    campaign = (
        "models: [resnet-50]\nmatrix: {scenarios: sync}\ninclude:\n  - model: resnet-50\n"
        "    device: ['AUTO:-CPU', AUTO, 'AUTO:-GPU', 'HETERO:GPU,CPU', 'BATCH:CPU(4)']\n"
        "    threads: 2\n    pinning: no\n    hyper_threading: off\n    core_type: ecore\n"
    )
    assert refusal(tmp_path, campaign, lab="[{name: box, devices: [CPU, GPU]}]") == [
        f"F:{place}: include[0].{key}: {key} {value} cannot go with device AUTO:-CPU: it is a setting of the "
        f"CPU; leave {key} out (rule needs_cpu)"
        for place, key, value in (
            ("8:14", "threads", 2),
            ("9:14", "pinning", "no"),
            ("10:22", "hyper_threading", "no"),
            ("11:16", "core_type", "ecore"),
        )
    ]


def test_auto_that_leaves_no_device_is_left_out_with_the_reason() -> None:
    campaign = campaign_of(matrix={"scenarios": "sync", "devices": ["CPU", "AUTO:-CPU", "AUTO:-GPU.0"]})
    expansion = expand(lab_of(a=["CPU", "GPU.1"], b=["CPU"]), campaign)
    assert [item.device for item in expansion.settings["a"]] == ["CPU", "AUTO:-CPU", "AUTO:-GPU.0"]
    assert [item.device for item in expansion.settings["b"]] == ["CPU", "AUTO:-GPU.0"]
    assert expansion.left_out == (
        LeftOut("b", setting(device="AUTO:-CPU"), "AUTO:-CPU leaves no device of b (it has CPU)"),
    )


def test_a_setting_in_another_precision() -> None:
    native = setting()
    assert native.with_precision("FP16") == setting(precision="FP16")
    assert native.precision == "native"
    assert native.with_precision("FP16").test_id() != native.test_id()


FILE_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.+-]{0,126}[A-Za-z0-9_])?"
counts = st.just("auto") | st.integers(1, 65536)
any_setting = st.builds(
    Setting,
    model=st.from_regex(FILE_NAME, fullmatch=True),
    precision=st.sampled_from(["native", "FP32", "FP16", "INT8"]),
    device=st.sampled_from(["CPU", "GPU.1", "AUTO", "MULTI:" + ",".join(f"GPU.{i}" for i in range(1, 50))]),
    scenario=st.sampled_from(Scenario),
    hint=st.sampled_from(Hint),
    batch=st.integers(1, 65536),
    pinning=st.sampled_from(["auto", "yes", "no"]),
    hint_requests=counts,
    properties=st.dictionaries(st.from_regex(r"[A-Z]{1,9}", fullmatch=True), st.text(max_size=5)).map(
        lambda given: tuple(sorted(given.items()))
    ),
    streams=counts,
    threads=counts,
    requests=counts,
)


def test_the_timed_region_of_the_campaign_is_its_tests() -> None:
    """And the rest of `measure` is the job's."""
    model = ModelRef(
        name="resnet-50",
        precision="FP32",
        sha256="a" * 64,
        entry="m.xml",
        files=(ModelFile(name="m.xml", size=1, sha256="a" * 64),),
    )

    def plan_of(**measure: Any) -> Job:
        campaign = campaign_of(matrix={"scenarios": "sync"}, measure=measure)
        prepared = PreparedModel(model, Path("/m"), ())
        (job,) = make_plan(lab_of(box=["CPU"]), campaign, lambda *_: prepared).jobs
        return job

    (plain,) = plan_of().tests
    job = plan_of(timed_region="with_input_copy", interval_target="none", duration_s=0.1)
    (copying,) = job.tests
    assert (plain.timed_region, copying.timed_region) == ("inference", "with_input_copy")
    assert plain.id == setting(precision="FP32").test_id()
    assert copying.id == setting(precision="FP32", timed_region="with_input_copy").test_id()
    assert job.measure == Measure(interval_target=None, duration_s=0.1, min_duration_s=0.1)


def test_too_much_for_all_machines_together() -> None:
    lab = lab_of(**{f"box-{number}": ["CPU"] for number in range(30)})
    many = list(range(1, 201))
    campaign = campaign_of(matrix={"batch": many, "threads": many[:100]})
    with pytest.raises(ConfigurationError) as caught:
        expand(lab, campaign)
    assert list(caught.value.problems) == [
        "<campaign>: matrix: 1,200,000 combinations on all machines; expected at most 1,000,000"
    ]


def test_machines_share_what_they_have_in_common() -> None:
    """Five hundred machines have five hundred tests each, and not a quarter of a million objects."""
    model = ModelRef(
        name="resnet-50",
        precision="FP32",
        sha256="0" * 64,
        entry="model.xml",
        files=(ModelFile(name="model.xml", size=1, sha256="0" * 64),),
    )
    prepared = PreparedModel(model, Path("/m"), ())
    lab = lab_of(a=["CPU"], b=["CPU", "GPU"], c=["CPU"])
    campaign = campaign_of(
        matrix={"devices": ["CPU", "GPU"], "threads": ["auto", 1, 2]},
        exclude=[
            {"device": "GPU", "threads": [1, 2]},
            {"scenario": "sync", "machine": "c"},
        ],
    )
    jobs = {job.machine: job for job in make_plan(lab, campaign, lambda *_: prepared).jobs}
    assert {name: len(job.tests) for name, job in jobs.items()} == {"a": 6, "b": 8, "c": 3}
    assert {*map(id, jobs["a"].tests), *map(id, jobs["c"].tests)} <= {*map(id, jobs["b"].tests)}
    assert {*map(id, jobs["c"].schedule)} <= {*map(id, jobs["a"].schedule)}


relaxed = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@relaxed
@given(st.lists(any_setting, unique=True, max_size=30))
def test_every_id_is_a_valid_name_and_of_one_setting(several: list[Setting]) -> None:
    ids = [TypeAdapter(TestId).validate_python(item.test_id()) for item in several]
    assert len(set(ids)) == len(several)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]+-[0-9a-f]{8}", test_id) for test_id in ids)


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


@relaxed
@given(
    models=some(["a", "b", "c"]),
    batch=some([1, 2, 4, 8]),
    threads=some(["auto", 1, 2]),
    precisions=some(["native", "FP32", "FP16"]),
    rules=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "model": some(["a", "b", "c"]),
                "batch": some([1, 2, 4, 8]),
                "threads": some(["auto", 1]),
            },
        ).filter(bool),
        max_size=2,
    ),
)
def test_the_expansion_is_the_product_without_what_is_excluded(
    models: list[str],
    batch: list[int],
    threads: list[Any],
    precisions: list[str],
    rules: list[dict[str, Any]],
) -> None:
    product = list(itertools.product(models, precisions, batch, threads))
    out = [
        {
            (model, precision, size, count)
            for model, precision, size, count in product
            if model in rule.get("model", models)
            and size in rule.get("batch", batch)
            and count in rule.get("threads", threads)
        }
        for rule in rules
    ]
    left = [item for item in product if not any(item in excluded for excluded in out)]
    campaign = campaign_of(
        models=models,
        matrix={"batch": batch, "threads": threads, "precisions": precisions, "scenarios": "sync"},
        exclude=rules,
    )
    if not all(out) or {item[0] for item in left} != set(models):
        with pytest.raises(ConfigurationError):
            expand(lab_of(box=["CPU"]), campaign)
        return
    planned = expand(lab_of(box=["CPU"]), campaign).settings["box"]
    assert [(item.model, item.precision, item.batch, item.threads) for item in planned] == left
    assert len({item.test_id() for item in planned}) == len(left)
