"""OpenVINO's ways to run, as far as a machine with a CPU has them: asked for, and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.job import Hint, Measure
from protocol.result import CompiledSettings, Result, Status
from tests.integration.conftest import Bench
from tests.support import make_job, planned_test, reference

pytestmark = pytest.mark.engine

SHORT = Measure(duration_s=0.02, min_iterations=4, warmup_s=0)


def results_of(
    bench: Bench, files: list[Path], settings: list[dict[str, Any]], *, runs: int = 1
) -> list[list[Result]]:
    """The runs of each setting, all in one job."""
    model = reference(files)
    tests = [
        planned_test(model, **{"scenario": "async", **given}, id=f"t{number}")
        for number, given in enumerate(settings)
    ]
    folder = bench.deliver(make_job([model], tests, runs=runs, measure=SHORT), files)
    assert bench.run_agent()
    results = bench.results(folder)
    return [[results[test.id, run] for run in range(runs)] for test in tests]


def compiled_of(result: Result) -> CompiledSettings:
    assert (result.status, result.reason) == (Status.OK, "")
    assert result.compiled is not None
    return result.compiled


COMPOSITES = ["AUTO", "AUTO:CPU", "AUTO:-GPU", "MULTI:CPU", "HETERO:CPU", "BATCH:CPU", "BATCH:CPU(4)"]


def test_every_device_runs_with_every_hint(bench: Bench, tiny_files: list[Path]) -> None:
    """What a composite does with its hint is what the CPU behind it reports."""
    told = {Hint.LATENCY: "LATENCY", Hint.THROUGHPUT: "THROUGHPUT"}
    asked = [(device, hint) for device in COMPOSITES for hint in (*told, Hint.NONE)]
    asked += [(device, Hint.CUMULATIVE_THROUGHPUT) for device in ("AUTO", "MULTI:CPU")]
    done = results_of(bench, tiny_files, [{"device": device, "hint": hint} for device, hint in asked])
    for (device, hint), (result,) in zip(asked, done, strict=True):
        compiled = compiled_of(result)
        assert compiled.execution_devices == ("CPU",), device
        assert compiled.streams, device
        assert compiled.threads, device
        if hint in told:
            assert compiled.hint == told[hint], device
        if device == "HETERO:CPU":
            # Two convolutions and two activations.
            assert compiled.split == {"CPU": 4}
        else:
            assert compiled.split == {}
        if not device.startswith("BATCH"):
            assert compiled.device_requests == {"CPU": compiled.optimal_requests}, device
            assert compiled.properties["CPU.NUM_STREAMS"] == str(compiled.streams)
        if device == "BATCH:CPU(4)":
            assert (compiled.optimal_requests or 0) >= 4


@pytest.mark.parametrize("device", ["CPU", *COMPOSITES])
def test_settings_of_the_cpu_reach_it_through_everything(
    device: str, bench: Bench, tiny_files: list[Path]
) -> None:
    asked: dict[str, Any] = {
        "threads": 1,
        "inference_precision": "f32",
        "execution_mode": "performance",
        "pinning": "no",
        "core_type": "pcore",
        "hyper_threading": "no",
        "properties": {"CPU_DENORMALS_OPTIMIZATION": "YES"},
    }
    settings = [
        {"device": device, "hint": Hint.NONE, **asked},
        {"device": device, "hint": Hint.THROUGHPUT, "hint_requests": 1, "execution_mode": "accuracy"},
        {"device": device, "hint": Hint.NONE, "streams": 2, "pinning": "yes"},
    ]
    first, second, third = (compiled_of(result) for (result,) in results_of(bench, tiny_files, settings))
    assert (first.threads, first.inference_precision, first.execution_mode) == (1, "f32", "PERFORMANCE")
    assert (first.pinning, first.hyper_threading, first.core_type) == (False, False, "PCORE_ONLY")
    if not device.startswith("BATCH"):
        prefix = "" if device == "CPU" else "CPU."
        assert first.properties[f"{prefix}CPU_DENORMALS_OPTIMIZATION"] == "YES"
    assert (second.hint_requests, second.execution_mode, second.streams) == (1, "ACCURACY", 1)
    assert (third.streams, third.pinning) == (2, True)


def test_a_compiled_model_comes_from_the_cache_the_second_time(bench: Bench, tiny_files: list[Path]) -> None:
    settings = [{"cache": "yes"}, {"cache": "no"}, {}]
    kept, not_kept, unsaid = results_of(bench, tiny_files, settings, runs=2)
    assert [compiled_of(result).loaded_from_cache for result in kept] == [False, True]
    for results in (not_kept, unsaid):
        assert [compiled_of(result).loaded_from_cache for result in results] == [False, False]
    assert list((bench.work / "compiled").iterdir())
    assert str(bench.work) not in kept[0].to_bytes().decode()


@pytest.mark.parametrize("device", ["CPU", "AUTO:CPU", "HETERO:CPU", "BATCH:CPU(4)"])
def test_a_property_that_nobody_knows_fails_in_words(
    device: str, bench: Bench, tiny_files: list[Path]
) -> None:
    settings = [{"device": device, "properties": {"NONSENSE": "1"}}]
    ((result,),) = results_of(bench, tiny_files, settings)
    assert result.status is Status.FAILED
    assert "NONSENSE" in result.reason


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("AUTO:-CPU", "AUTO:-CPU leaves no device"),
        ("GPU.7", "device GPU.7 is not on this machine"),
        ("NPU", "device NPU is not on this machine"),
        ("AUTO:GPU.7,CPU", "device GPU.7 is not on this machine"),
        ("MULTI:GPU.7,CPU", "device GPU.7 is not on this machine"),
        ("HETERO:GPU.7,CPU", "device GPU.7 is not on this machine"),
        ("BATCH:GPU.7(4)", "device GPU.7 is not on this machine"),
    ],
)
def test_a_device_that_is_not_here(device: str, reason: str, bench: Bench, tiny_files: list[Path]) -> None:
    ((result,),) = results_of(bench, tiny_files, [{"device": device}])
    assert result.status is Status.UNSUPPORTED
    assert reason in result.reason
