"""The commands that the site prints to repeat a number: they are run, and give the same test."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from integrator.config import ModelEntry, load_both
from integrator.models import PreparedModel, prepare
from integrator.plan import Plan, make_plan
from integrator.site.explain.repeat import CAMPAIGN_FILE, COMMAND, benchmark_app_command, campaign_yaml
from integrator.topologies import TOPOLOGIES
from protocol.engine import openvino as ov
from protocol.job import Job
from tests.support import make_tiny_model

pytestmark = pytest.mark.engine

BIN = Path(sys.executable).parent
LAB = "schema_version: 1\nname: test lab\nmachines:\n  - {name: box, devices: [CPU]}\n"
CAMPAIGN = """\
schema_version: 1
name: tiny
models:
  - name: tiny
    path: tiny.xml
    inputs: {image: {low: -1, high: 2.5}}
  - name: fed
    path: tiny.xml
    preprocess: {image: {resize: [48, 64], mean: [1.5, 2, 3], scale: 58.4, reverse_channels: yes}}
  - mobilenet-v2
matrix:
  precisions: [native, FP16]
  scenarios: [async]
include:
  - {model: tiny, scenario: async, batch: 4, hint: none, streams: 2, threads: 2, requests: 3, pinning: no}
  - model: tiny
    scenario: sync
    inference_precision: f32
    execution_mode: accuracy
    cache: yes
    properties: {ENABLE_CPU_RESERVATION: true, LOG_LEVEL: LOG_NONE}
  - {model: tiny, device: "AUTO:CPU", scenario: sync, batch: 2}
runs: 1
measure:
  {duration_s: 0.25, interval_target: none, min_iterations: 5, warmup_s: 0.01, timed_region: with_input_copy}
limits: {run_timeout_s: 100}
seed: 7
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    ov.save_model(make_tiny_model(), folder / "tiny.xml", compress_to_fp16=False)
    (folder / "lab.yaml").write_text(LAB)
    (folder / "campaign.yaml").write_text(CAMPAIGN)
    return folder


def planned(folder: Path, campaign: str) -> Plan:
    def prepared(entry: ModelEntry, precision: str, batches: Collection[int]) -> PreparedModel:
        return prepare(entry, precision, batches, folder / "cache")

    return make_plan(*load_both(folder / "lab.yaml", folder / campaign, TOPOLOGIES), prepared)


@pytest.fixture(scope="module")
def plan(desk: Path) -> Plan:
    return planned(desk, "campaign.yaml")


def again(folder: Path, plan: Plan, job: Job, number: int) -> None:
    """What somebody does who repeats a test: the printed file, the model's files beside it."""
    test = job.tests[number]
    (folder / CAMPAIGN_FILE).write_text(campaign_yaml(job, test, 1, builtin=TOPOLOGIES))
    model = next(model for model in plan.models if model.ref.sha256 == test.model_sha256)
    for file in model.ref.files:
        shutil.copyfile(model.folder / file.name, folder / file.name)


def test_the_printed_campaign_plans_the_same_test(desk: Path, plan: Plan) -> None:
    (job,) = plan.jobs
    assert len(job.tests) == 9
    for number, test in enumerate(job.tests):
        again(desk, plan, job, number)
        (repeated,) = planned(desk, CAMPAIGN_FILE).jobs
        assert repeated.tests == (test,), test.id
        assert (repeated.measure, repeated.limits, repeated.seed) == (job.measure, job.limits, job.seed)


def test_the_printed_command_measures_it(desk: Path, plan: Plan) -> None:
    (job,) = plan.jobs
    number = next(at for at, test in enumerate(job.tests) if test.properties)
    again(desk, plan, job, number)
    program, *words = shlex.split(COMMAND)
    done = run([str(BIN / program), *words], desk)
    assert done.returncode == 0, done.stderr
    (table,) = (desk / "out").glob("*/results.csv")
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert (row["test_id"], row["status"]) == (job.tests[number].id, "ok")


def test_the_printed_benchmark_app_command_runs(desk: Path, plan: Plan) -> None:
    (job,) = plan.jobs
    number = next(at for at, test in enumerate(job.tests) if test.streams == 2)
    again(desk, plan, job, number)
    printed = benchmark_app_command(job, job.tests[number])
    (desk / "config.json").write_text(printed["config"])
    program, *words = shlex.split(printed["command"])
    done = run([str(BIN / program), *words], desk)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Throughput: +[\d.]+ FPS", done.stdout)
    assert re.search(r"NUM_STREAMS: 2\b", done.stdout)
    assert printed["without"] == ["pinning no", "the time of copying the inputs"]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[Any]:
    # With CI=true OpenVINO's tools send nothing of their use.
    environment = {**os.environ, "CI": "true"}
    return subprocess.run(
        command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
