"""One run, on both ends of the range of releases: scenarios, settings, and what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.machine.describe import list_devices
from agent.machine.probe import probe_devices
from agent.worker.spec import InputSpec
from integrator.topologies import build
from protocol.engine import openvino as ov
from protocol.job import Hint
from protocol.result import CompiledSettings, Status
from tests.engine.conftest import IMAGE, Run, pinned

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


def test_the_measuring_process_imports_openvino_numpy_and_the_standard_library(release: str) -> None:
    script = (
        "import sys, json; standard = set(sys.stdlib_module_names) | set(sys.builtin_module_names); "
        "import agent.worker.run, agent.worker.__main__; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} - standard)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = {name for name in json.loads(done.stdout) if not name.startswith("_")}  # how this was installed
    assert loaded <= {"agent", "protocol", "openvino", "numpy"}, loaded


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
