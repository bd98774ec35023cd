"""What stands behind a number: its distribution, settings beside what became of them, scripts."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from integrator.merge import merge_with_runs
from integrator.merged import run_table
from integrator.site.cells import clean_text
from integrator.site.explain.detail import SHARES, detail_of, quantiles
from integrator.site.explain.script import literal, shard
from integrator.site.explain.settings import settings_of
from integrator.site.explain.shards import detail_shards, run_shards, words
from integrator.site.frame import tidy
from integrator.site.ids import row_id
from integrator.site.source import RUN_COLUMNS
from integrator.statistics.verdict import REASONS
from protocol.job import Hint, Job, ModelFile, ModelRef, PlannedTest, Scenario
from protocol.result import CompiledSettings, Conditions, Phases, Result, Status, Surroundings
from tests.support import make_job, make_samples, planned_test

MODEL = ModelRef(
    name="tiny",
    precision="FP32",
    sha256="a" * 64,
    entry="tiny.onnx",
    files=(ModelFile(name="tiny.onnx", size=1, sha256="a" * 64),),
)
SYNC = planned_test(MODEL)
ASYNC = planned_test(MODEL, scenario=Scenario.ASYNC, batch=2)
EVIL = "</script><script>alert(1)</script> \u2028\u202e =cmd|' /C calc'!A0"


def job() -> Job:
    return make_job([MODEL], [SYNC, ASYNC], runs=3)


def result(test: PlannedTest, run: int, **changes: Any) -> Result:
    count = 200
    latencies = np.random.default_rng(run).lognormal(1, 0.4, count)
    fields: dict[str, Any] = {
        "campaign": job().campaign,
        "machine": "box",
        "test": test.id,
        "run": run,
        "model_sha256": MODEL.sha256,
        "status": Status.OK,
        "started_at": datetime(2026, 1, 1, 12, run, tzinfo=UTC),
        "openvino_version": "2026.4.1-22982-abc",
        "compiled": CompiledSettings(
            streams=2, properties={"LOG_LEVEL": EVIL, "SUPPORTED_PROPERTIES": "A B"}
        ),
        "phases": Phases(compile_ms=100.0 + run, total_ms=2000),
        "conditions": Conditions(
            seconds=1.0,
            timer_resolution_ns=1,
            logical_cores=8,
            before=Surroundings(frequency_max_hz=3_400_000_000),
            after=Surroundings(frequency_max_hz=3_300_000_000, temperature_c=61.0),
            process_cpu_s=1.0,
            other_load_cores=0.25,
            major_faults=0,
            voluntary_switches=1,
            involuntary_switches=2,
            energy_joules={"package-0": 3.0, "package-1": 4.0, "package-0/dram": 9.0},
            unknown={"temperature_c": "no sensor", "throttle_events": EVIL},
        ),
        "samples": make_samples(np.cumsum(latencies).tolist(), latencies.tolist(), stopped="precise"),
    }
    return Result(**{**fields, **changes})


def bad(test: PlannedTest, run: int) -> Result:
    return result(test, run, status=Status.CRASHED, reason=EVIL, samples=None, compiled=None, conditions=None)


def read(asset: tuple[str, bytes]) -> tuple[str, Any]:
    """The name and the value of a shard, as the browser takes them."""
    text = asset[1].decode("ascii")
    _, _, rest = text.partition("[")
    name, _, value = rest.partition("]=")
    return json.loads(name), json.loads(value.removesuffix(";\n"))


@pytest.mark.parametrize("size", [1, 2, 10, 53, 100, 999, 1000, 5000])
def test_the_distribution_is_the_one_of_all_latencies(size: int) -> None:
    values = np.random.default_rng(size).lognormal(0, 1, size)
    ordered = sorted(values.tolist())
    # Exact shares: 0.55 × 100 is 55, which floating point makes a little more.
    expected = [ordered[max(math.ceil(Fraction(str(share)) * size), 1) - 1] for share in SHARES]
    assert quantiles(values) == pytest.approx(expected, rel=5e-6)
    assert list(SHARES) == sorted(set(SHARES))
    assert (SHARES[0], SHARES[-1]) == (0, 1)


def test_a_detail_says_what_every_run_was() -> None:
    good, worse = result(SYNC, 0), result(SYNC, 2)
    merged = merge_with_runs(
        [job()], {"box": [worse, bad(SYNC, 1), good]}, {}, explain=lambda t: detail_of(t, builtin=())
    )
    detail: Any = merged.details["box", SYNC.id]
    runs = detail["runs"]
    assert (runs["run"], runs["status"]) == ([0, 1, 2], ["ok", "crashed", "ok"])
    assert good.samples is not None
    latency = good.samples.latency_ns.values / 1e6
    assert runs["median_ms"] == [pytest.approx(np.median(latency)), None, merged.runs["latency_ms"].iloc[2]]
    assert runs["throughput_fps"][0] == merged.runs["throughput_fps"].iloc[0]
    assert runs["iterations"] == [200, None, 200]
    assert runs["quantiles"][1] is None
    assert runs["quantiles"][0][-1] == pytest.approx(latency.max(), rel=1e-5)
    assert runs["reason"] == ["", clean_text(EVIL), ""]
    assert detail["phases"]["compile_ms"] == [100, 101, 102]
    assert detail["properties"] == {"LOG_LEVEL": clean_text(EVIL)}
    json.dumps(detail, allow_nan=False)


def test_conditions_are_a_column_for_each_and_the_unknown_has_its_reason() -> None:
    merged = merge_with_runs(
        [job()], {"box": [result(SYNC, 0), bad(SYNC, 1)]}, {}, explain=lambda t: detail_of(t, builtin=())
    )
    detail: Any = merged.details["box", SYNC.id]
    values = detail["conditions"]
    assert {
        key: values[key] for key in ("other_load", "mhz_before", "mhz_after", "celsius_after", "energy_j")
    } == {
        "other_load": [0.25, None],
        "mhz_before": [3400, None],
        "mhz_after": [3300, None],
        "celsius_after": [61, None],
        "energy_j": [7, None],
    }
    assert values["celsius_before"] == [None, None]
    assert detail["unknown"]["celsius_before"] == "no sensor"
    assert "throttle_events" in detail["unknown"]


def test_a_test_without_a_run_has_a_detail_too() -> None:
    merged = merge_with_runs([job()], {}, {}, explain=lambda t: detail_of(t, builtin=()))
    detail: Any = merged.details["box", ASYNC.id]
    assert (detail["runs"]["run"], detail["conditions"], detail["properties"]) == ([], {}, {})
    assert {row["name"]: row["asked"] for row in detail["settings"]}["batch"] == "2"


def marks(test: PlannedTest, **compiled: Any) -> dict[str, str]:
    rows: Any = settings_of(test, [result(test, 0, compiled=CompiledSettings(**compiled))])
    return {row["name"]: row["mark"] for row in rows}


def test_what_became_otherwise_is_marked() -> None:
    asked = planned_test(
        MODEL,
        hint=Hint.NONE,
        streams=4,
        threads=2,
        pinning="no",
        core_type="pcore",
        inference_precision="bf16",
        properties={"ENABLE_CPU_RESERVATION": "YES", "LOG_LEVEL": "LOG_NONE"},
        openvino="2025.4",
    )
    found = marks(
        asked,
        streams=4,
        threads=3,
        pinning=True,
        core_type="PCORE_ONLY",
        inference_precision="f32",
        hint="LATENCY",
        execution_devices=("CPU",),
        execution_mode="PERFORMANCE",
        properties={"ENABLE_CPU_RESERVATION": "NO", "LOG_LEVEL": "LOG_NONE"},
    )
    assert {name for name, mark in found.items() if mark == "differs"} == {
        "threads",
        "pinning",
        "inference_precision",
        "ENABLE_CPU_RESERVATION",
        "openvino",
    }
    assert {name for name, mark in found.items() if mark == "chosen"} == {"execution_mode", "hint"}


@pytest.mark.parametrize(
    ("asked", "ran", "mark"),
    [
        ("CPU", "CPU", ""),
        ("GPU", "GPU.0", ""),
        ("GPU.1", "GPU.0", "differs"),
        ("NPU", "CPU", "differs"),
        ("AUTO", "CPU", "chosen"),
    ],
)
def test_a_device_that_is_another(asked: str, ran: str, mark: str) -> None:
    assert marks(planned_test(MODEL, device=asked), execution_devices=(ran,))["device"] == mark


@pytest.mark.parametrize(
    ("weights", "asked", "got", "note"),
    [
        ("FP32", "auto", "bf16", "the weights are FP32"),
        ("FP32", "auto", "f32", ""),
        ("INT8", "auto", "bf16", ""),
        ("FP32", "bf16", "bf16", ""),
        ("FP16", "auto", "f32", "the weights are FP16"),
    ],
)
def test_another_precision_than_the_weights_is_noted(weights: str, asked: str, got: str, note: str) -> None:
    test = planned_test(MODEL, precision=weights, inference_precision=asked)
    rows: Any = settings_of(test, [result(test, 0, compiled=CompiledSettings(inference_precision=got))])
    assert next(row["note"] for row in rows if row["name"] == "inference_precision") == note


def test_runs_that_became_different_things_show_all() -> None:
    results = [result(SYNC, run, compiled=CompiledSettings(streams=run)) for run in (1, 2, 1)]
    rows: Any = settings_of(SYNC, results)
    assert next(row for row in rows if row["name"] == "streams")["got"] == ["1", "2"]


def test_a_script_holds_any_text() -> None:
    text = literal({EVIL: [EVIL, 1.5, None]})
    assert json.loads(text) == {EVIL: [EVIL, 1.5, None]}
    assert text.isascii()
    assert not set("<>\u2028") & set(text)
    assert read(("x.js", shard(EVIL.replace("]", ""), [1]))) == (EVIL, [1])


def test_details_lie_by_machine_and_model_and_name_only_files_that_are_there() -> None:
    results = {"box": [result(SYNC, 0), result(SYNC, 1), result(ASYNC, 0), bad(ASYNC, 1)]}
    merged = merge_with_runs([job()], results, {}, explain=lambda t: detail_of(t, builtin=()))
    (asset,) = detail_shards("c", tidy(merged.table), merged.details, {"box": [f"{SYNC.id}.1.json.gz"]})
    assert asset[0] == "data/explain/c/box/tiny.js"
    name, value = read(asset)
    assert name == "explain/c/box/tiny"
    assert set(value["tests"]) == {row_id("box", SYNC.id), row_id("box", ASYNC.id)}
    sync = value["tests"][row_id("box", SYNC.id)]
    assert sync["runs"]["file"] == [None, f"{SYNC.id}.1.json.gz"]
    assert value["shared"]["measure"] == [merged.details["box", SYNC.id]["measure"]]
    settings = [value["shared"]["settings"][place] for place in sync["settings"]]
    assert settings == merged.details["box", SYNC.id]["settings"]
    model = value["shared"]["model"][sync["model"]]
    assert model["sha256"] == MODEL.sha256
    assert b"</script" not in asset[1]


def test_run_values_come_back_whole() -> None:
    random = np.random.default_rng(3)
    rows: list[Any] = []
    expected: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for machine in ("b", "a", "c"):
        for number in range(4):
            for run in range(number):
                ok = (number, run) != (3, 1)
                values = tuple(random.lognormal(1, 2, 2)) if ok else (np.nan, np.nan)
                rows.append((machine, f"t{number}", run, "ok" if ok else "failed", *values))
                if ok:
                    of_machine = expected.setdefault(machine, {})
                    of_machine.setdefault(row_id(machine, f"t{number}"), []).append(values)
    rows.append(("dead", "t0", 0, "crashed", np.nan, np.nan))
    table = run_table(rows).sample(frac=1, random_state=1)
    shards = dict(map(read, run_shards("c", table)))
    assert set(shards) == {f"runs/c/{machine}" for machine in ("a", "b", "c", "dead")}
    for machine, tests in expected.items():
        value = shards[f"runs/c/{machine}"]
        latency, throughput = (
            np.frombuffer(base64.b64decode(value[k]), "<f8") for k in ("latency", "throughput")
        )
        size, at, found = value["characters"], 0, {}
        for number, count in enumerate(np.frombuffer(base64.b64decode(value["counts"]), "<u2").tolist()):
            part = slice(at, at + count)
            found[value["rows"][number * size : (number + 1) * size]] = list(
                zip(latency[part], throughput[part], strict=True)
            )
            at += count
        assert found == tests
        assert at == latency.size
    assert shards["runs/c/dead"]["rows"] == ""


def test_no_run_makes_no_script() -> None:
    empty = pd.DataFrame({name: [] for name in RUN_COLUMNS})
    assert list(run_shards("c", empty)) == []
    assert list(run_shards("c", run_table([]))) == []
    assert [path for path, _ in run_shards("c", run_table([]), ["box"])] == ["data/runs/c/box.js"]


def test_the_drawer_has_words_for_everything() -> None:
    name, value = read(words({"c": {"box": ["tiny"]}}))
    assert name == "words"
    assert list(value["reasons"]) == list(REASONS)
    assert value["details"] == {"c": {"box": ["tiny"]}}
    assert value["columns"]["latency_ms"]["unit"] == "ms"
