"""One run, on both ends of the range of releases: scenarios, settings, and what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from agent.machine.describe import list_devices
from agent.machine.probe import probe_devices
from agent.worker.adaptive import MIN_LATENCIES
from agent.worker.spec import InputSpec
from integrator.topologies import build
from integrator.topologies.opset import ops
from protocol.engine import openvino as ov
from protocol.job import Hint
from protocol.result import CompiledSettings, Status
from tests.engine.conftest import IMAGE, Ended, Run, pinned

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("scenario", "hint"), [("sync", "latency"), ("async", "throughput"), ("async", "none"), ("sync", "none")]
)
def test_a_run_measures_and_says_what_was_in_force(run: Run, release: str, scenario: str, hint: str) -> None:
    ended = run(scenario=scenario, hint=hint)
    assert (ended.status, ended.reason) == (Status.OK, "")
    assert ended.report["openvino_version"].startswith(pinned(release))
    assert ended.report["outputs_finite"] is True
    samples = ended.ending.samples
    assert samples is not None
    assert samples.latency_ns.count >= 20
    compiled = CompiledSettings.model_validate(ended.report["compiled"])
    assert compiled.execution_devices == ("CPU",)
    assert compiled.inference_precision in {"f32", "bf16"}
    assert (compiled.streams or 0) >= 1
    assert (compiled.threads or 0) >= 1
    assert compiled.requests == (1 if scenario == "sync" else compiled.optimal_requests)
    if hint != "none":
        assert compiled.hint == hint.upper()


def test_streams_threads_and_requests_reach_the_compiled_model(run: Run) -> None:
    ended = run(scenario="async", hint="none", streams=2, threads=2, requests=3)
    assert ended.status is Status.OK, ended.reason
    compiled = CompiledSettings.model_validate(ended.report["compiled"])
    assert (compiled.streams, compiled.threads, compiled.requests) == (2, 2, 3)
    one = run(hint="none", streams=1, threads=1)
    assert (one.report["compiled"]["streams"], one.report["compiled"]["threads"]) == (1, 1)


def test_a_batch_reshapes_the_model(run: Run) -> None:
    shape = (4, *IMAGE.shape[1:])
    ended = run(inputs=(InputSpec(IMAGE.name, shape, IMAGE.element_type, IMAGE.low, IMAGE.high),))
    assert ended.status is Status.OK, ended.reason


@pytest.mark.parametrize("scenario", ["sync", "async"])
@pytest.mark.parametrize("timed_region", ["inference", "with_input_copy"])
def test_times_are_whole_in_both_regions(run: Run, scenario: str, timed_region: str) -> None:
    """Latencies lie within the wall-clock time, and leave little of it unaccounted for."""
    ended = run(scenario=scenario, hint="throughput", timed_region=timed_region, duration_s=0.2)
    samples = ended.ending.samples
    assert samples is not None
    assert (samples.stopped, samples.segments) == ("time", 1)
    starts, latencies = (times.values.astype(np.int64) for times in (samples.start_ns, samples.latency_ns))
    requests = ended.report["compiled"]["requests"]
    assert samples.wall_ns >= 0.2e9
    assert starts[0] == 0
    assert (np.diff(starts) >= 0).all()
    assert (starts + latencies).max() <= samples.wall_ns
    # Requests that are never idle: Little's law. In sync the loop's own time is missing from the latencies.
    busy = latencies.sum() / samples.wall_ns
    assert 0.5 * requests < busy <= requests
    assert samples.harness_ns is not None
    assert 50 < samples.harness_ns < 1e6


def test_copying_the_inputs_takes_time(run: Run, tmp_path: Path) -> None:
    """Of a model that takes one value out of a large input, so that the copy is nearly all there is to do."""
    parameter = ops.parameter([1, 4_000_000], ov.Type.f32, name="x")
    one = ops.gather(parameter, ops.constant(np.array([7])), ops.constant(np.int64(1)))
    ov.save_model(ov.Model([ops.result(one)], [parameter], "one"), tmp_path / "one.xml", False)
    large = InputSpec("x", (1, 4_000_000), "f32", 0.0, 1.0)
    filled, copied = (
        np.median(_latencies(run(model=str(tmp_path / "one.xml"), inputs=(large,), timed_region=region)))
        for region in ("inference", "with_input_copy")
    )
    assert copied > 3 * filled


@pytest.mark.parametrize("scenario", ["sync", "async"])
def test_a_run_that_is_precise_ends_before_its_time(run: Run, scenario: str) -> None:
    ended = run(scenario=scenario, duration_s=30, interval_target=0.5, min_duration_s=0.05, min_iterations=1)
    samples = ended.ending.samples
    assert samples is not None
    assert samples.stopped == "precise"
    assert samples.latency_ns.count >= MIN_LATENCIES
    assert samples.wall_ns < 20e9


@pytest.mark.parametrize("scenario", ["sync", "async"])
def test_no_more_iterations_than_asked_for(run: Run, scenario: str) -> None:
    ended = run(scenario=scenario, duration_s=30, min_iterations=1, max_iterations=150, interval_target=1e-9)
    samples = ended.ending.samples
    assert samples is not None
    assert (samples.stopped, samples.latency_ns.count) == ("iterations", 150)


def _latencies(ended: Ended) -> npt.NDArray[np.uint64]:
    assert ended.ending.samples is not None, ended.reason
    return ended.ending.samples.latency_ns.values


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU", "BATCH:CPU"])
def test_devices_that_combine_others_run_on_what_is_here(run: Run, device: str) -> None:
    ended = run(device=device, hint="throughput", scenario="async")
    assert ended.status is Status.OK, ended.reason
    assert any("CPU" in name for name in ended.report["compiled"]["execution_devices"])


def test_auto_takes_the_third_hint(run: Run) -> None:
    ended = run(device="AUTO", hint="cumulative_throughput", scenario="async")
    assert ended.status is Status.OK, ended.reason
    assert ended.report["compiled"]["hint"] == "CUMULATIVE_THROUGHPUT"


def test_a_broken_model_fails_in_openvinos_own_words(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text('<?xml version="1.0"?><net name="x" version="11"><layers>')
    ended = run(model=str(broken))
    assert ended.status is Status.FAILED
    assert ended.ending.phase == "read"
    assert "OpenVinoError" in ended.reason
    assert "Start-end tags mismatch" in ended.reason


def test_an_absent_device_is_unsupported_and_named(run: Run) -> None:
    ended = run(device="GPU.7")
    assert ended.status is Status.UNSUPPORTED
    assert "device GPU.7 is not on this machine; OpenVINO sees CPU" in ended.reason


def test_too_little_memory_is_named_as_such(run: Run) -> None:
    big = (4096, *IMAGE.shape[1:])
    spec = InputSpec(IMAGE.name, big, IMAGE.element_type, IMAGE.low, IMAGE.high)
    ended = run(inputs=(spec,), memory_mb=700)
    assert ended.status is Status.OUT_OF_MEMORY, ended.reason


def test_the_measuring_process_imports_numpy_and_the_standard_library(release: str) -> None:
    script = (
        "import sys, json; standard = set(sys.stdlib_module_names) | set(sys.builtin_module_names); "
        "import agent.worker.run, agent.worker.__main__; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} - standard)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = {name for name in json.loads(done.stdout) if not name.startswith("_")}  # how this was installed
    assert loaded - {"cython_runtime"} <= {"agent", "numpy"}, loaded  # the first is numpy's own


def test_the_devices_and_their_properties_by_hint(release: str) -> None:
    listed = list_devices()
    assert listed["version"].startswith(pinned(release))
    names = [device["name"] for device in listed["devices"]]
    assert "CPU" in names
    cpu, auto = probe_devices(["CPU"])
    assert (cpu.reason, auto.reason) == ("", "")
    assert [hint.hint for hint in cpu.hints] == [Hint.LATENCY, Hint.THROUGHPUT]
    assert [hint.hint for hint in auto.hints] == [Hint.LATENCY, Hint.THROUGHPUT, Hint.CUMULATIVE_THROUGHPUT]
    for hint in (*cpu.hints, *auto.hints):
        filled: dict[str, Any] = hint.model_dump()
        assert filled["reason"] == ""
        assert min(filled[name] for name in ("optimal_requests", "streams", "threads")) >= 1
        assert hint.execution_devices == ("CPU",)
        assert "SUPPORTED_PROPERTIES" in hint.properties
    assert cpu.streams_range is not None
    assert cpu.requests_range is not None
    assert cpu.properties["NUM_STREAMS"] == "RW"
    assert cpu.hints[0].streams == 1


def test_the_built_in_models_are_built(release: str) -> None:
    script = (
        "from integrator.topologies import build, count_parameters; import json, sys; "
        "print(json.dumps({n: count_parameters(build(n)) for n in ('mobilenet-v2', 'minilm-l6', 'yolov5s')}))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    # Parameters that the models' papers and repositories state, in millions.
    counted = {name: round(count / 1e6, 1) for name, count in json.loads(done.stdout).items()}
    assert counted == {"mobilenet-v2": 3.5, "minilm-l6": 22.7, "yolov5s": 7.2}


def test_a_model_that_the_newest_release_wrote_runs(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mobilenet.xml"
    ov.save_model(build("mobilenet-v2"), file, compress_to_fp16=True)
    image = InputSpec(name="x", shape=(1, 3, 224, 224), element_type="f32", low=0.0, high=1.0)
    ended = run(model=str(file), inputs=(image,))
    assert ended.status is Status.OK, ended.reason
    assert ended.report["outputs_finite"] is True
