"""doctor, verify and selftest as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integrator.benchmark_app import _START as START
from integrator.benchmark_app import arguments, configuration
from protocol.job import Hint
from tests.support import planned_test, reference

pytestmark = pytest.mark.engine

FLEETMARK = Path(sys.executable).with_name("fleetmark")

LAB = """\
schema_version: 1
name: test lab
machines:
  - {name: box}
  - {name: twin}
"""
CAMPAIGN = """\
schema_version: 1
name: tiny
models:
  - {name: tiny, path: tiny.xml}
matrix:
  batch: [1, 4]
runs: 1
measure: {duration_s: 0.05, min_iterations: 10, warmup_s: 0.01}
"""


def fleetmark(*words: str | Path, cwd: Path, width: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETMARK, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"COLUMNS": str(width), "XDG_CACHE_HOME": str(cwd / "cache"), "PATH": "/usr/bin:/bin"},
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path, tiny_files: list[Path]) -> Path:
    for file in tiny_files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "lab.yaml").write_text(LAB)
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN)
    return tmp_path


def left_behind(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} - {
        "cache",
        "lab.yaml",
        "campaign.yaml",
        "tiny.xml",
        "tiny.bin",
    }


def by_device(machine: dict[str, Any]) -> dict[str, list[str]]:
    return {probe["device"]: [hint["hint"] for hint in probe["hints"]] for probe in machine["probe"]}


def test_doctor_describes_this_machine(folder: Path) -> None:
    done = fleetmark("doctor", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    (machine,) = document["machines"]
    assert document["schema_version"] == 1
    assert machine["configuration"]["usable_cores"] >= 1
    hints = by_device(machine)
    assert hints["CPU"] == ["latency", "throughput"]
    assert hints["AUTO"] == ["latency", "throughput", "cumulative_throughput"]
    shown = fleetmark("doctor", cwd=folder)
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "throughput" in shown.stdout
    assert left_behind(folder) == set()


def test_doctor_shows_the_machines_of_a_campaign(folder: Path) -> None:
    ran = fleetmark("run", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--out", "out", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    machines = json.loads(fleetmark("doctor", "out", "--json", cwd=folder).stdout)["machines"]
    assert [machine["machine"] for machine in machines] == ["box", "twin"]
    assert all("AUTO" in by_device(machine) for machine in machines)
    (folder / "out/raw/box/machine.json").unlink()
    partly = fleetmark("doctor", "out", cwd=folder)
    assert (partly.returncode, partly.stderr) == (0, "box: no description came back\n")
    assert partly.stdout.startswith("twin, as of ")
    (folder / "out/raw/twin/machine.json").unlink()
    nothing = fleetmark("doctor", "out", cwd=folder)
    assert nothing.returncode == 1
    assert "none of its machines has described itself" in nothing.stderr


def test_doctor_of_no_campaign_is_the_users_mistake(folder: Path) -> None:
    done = fleetmark("doctor", "nowhere", cwd=folder)
    assert done.returncode == 1
    assert "no campaign lies here" in done.stderr


def test_verify_measures_by_both(folder: Path) -> None:
    files = ("--lab", "lab.yaml", "--campaign", "campaign.yaml")
    done = fleetmark("verify", *files, "--tests", "2", "--pairs", "1", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [check["test"]["batch"] for check in document["tests"]] == [1, 4]
    for check in document["tests"]:
        assert check["reason"] is None
        assert check["duration_s"] == 1
        ((pair),) = check["pairs"]
        for side in ("ours", "benchmark_app"):
            frames = pair[side]["iterations"] * check["test"]["batch"]
            # One second was measured by either: a throughput of another batch or another time shows here.
            assert pair[side]["throughput_fps"] == pytest.approx(frames / 1.0, rel=0.1)
        assert 0.1 < check["throughput_ratio"] < 10
    assert any(note.startswith("warm-up") for note in document["differences"])
    assert left_behind(folder) == set()


def test_verify_says_why_benchmark_app_could_not(folder: Path) -> None:
    campaign = CAMPAIGN.replace("batch: [1, 4]", "devices: [GPU]\n  batch: [1]")
    (folder / "campaign.yaml").write_text(campaign)
    (folder / "lab.yaml").write_text(LAB.replace("{name: box}", "{name: box, devices: [GPU]}"))
    done = fleetmark("verify", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--tests", "1", cwd=folder)
    assert done.returncode == 1
    words = " ".join(done.stdout.split())
    assert "not measured: unsupported: device GPU is not on this machine; OpenVINO sees CPU" in words


def test_benchmark_app_runs_without_converter_and_telemetry(tmp_path: Path) -> None:
    script = (
        "import protocol.engine, sys; from openvino.tools.benchmark.main import main; import threading; "
        "print(sorted(n for n in sys.modules if 'telemetry' in n or n.startswith('openvino.tools.ovc.')), "
        "threading.active_count())"
    )
    command = [sys.executable, "-I", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "[] 1\n"


def test_selftest_says_what_this_machine_resolves(folder: Path) -> None:
    short = ("--runs", "4", "--duration", "0.05", "--json")
    done = fleetmark("selftest", *short, cwd=folder)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [len(document["runs"][side]) for side in "ab"] == [4, 4]
    latency = document["measures"]["latency"]
    assert latency["low"] < latency["high"]
    assert 0 < latency["smallest"] < latency["smallest_at_most"]
    assert latency["sufficient"] is True
    assert "with 4 runs on each side this machine resolves" in latency["words"][0]
    assert left_behind(folder) == set()


def test_selftest_refuses_a_model_that_there_is_not(folder: Path) -> None:
    done = fleetmark("selftest", "--model", "no-such-model", cwd=folder)
    assert done.returncode == 1
    assert "no-such-model" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("hint", [Hint.NONE, Hint.THROUGHPUT])
def test_streams_and_threads_reach_benchmark_apps_compiled_model(
    tmp_path: Path, tiny_files: list[Path], hint: Hint
) -> None:
    model = reference(tiny_files)
    # One stream and one thread: neither is what OpenVINO would choose on a machine with two cores.
    test = planned_test(model, scenario="async", hint=hint, streams=1, threads=1, requests=2)
    (tmp_path / "config.json").write_text(json.dumps(configuration(test)))
    options = arguments(test, tiny_files[0], duration_s=1, folder=tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-c", START, *options],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "NUM_STREAMS: 1\n" in done.stdout
    assert "INFERENCE_NUM_THREADS: 1\n" in done.stdout
    report = json.loads((tmp_path / "benchmark_report.json").read_text())
    assert report["configuration_setup"]["number of parallel infer requests"] == "2"
