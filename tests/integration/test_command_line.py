"""`fleetmark` as a user calls it: good campaigns, bad input, Ctrl-C."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from integrator.columns import COLUMNS
from protocol.engine import openvino as ov
from tests.integration.conftest import find_worker, workers
from tests.support import make_tiny_model

pytestmark = pytest.mark.engine

LAB = """\
schema_version: 1
name: test lab
machines:
  - name: box
"""
CAMPAIGN = """\
schema_version: 1
name: tiny
models:
  - {name: tiny, path: tiny.xml}
  - {name: open, path: open.onnx, shapes: {x: [N, 8]}}
  - {name: half, path: half.xml}
matrix:
  batch: [1, 4]
exclude:
  - {model: half, batch: 4}
runs: 3
measure: {duration_s: 0.05, min_iterations: 10, warmup_s: 0.01}
"""


def only_tiny(batches: str) -> str:
    """A campaign of one model and one run."""
    measure = CAMPAIGN[CAMPAIGN.index("measure:") :]
    model = "models:\n  - {name: tiny, path: tiny.xml}\n"
    return f"schema_version: 1\nname: tiny\n{model}matrix: {{batch: {batches}}}\nruns: 1\n{measure}"


def onnx_model() -> onnx.ModelProto:
    """y = relu(x · w) with an open batch and an open width."""
    weights = onnx.numpy_helper.from_array(np.eye(8, dtype=np.float32), "w")
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["p"]), onnx.helper.make_node("Relu", ["p"], ["y"])]
    values = {
        name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, None]) for name in "xy"
    }
    graph = onnx.helper.make_graph(nodes, "open", [values["x"]], [values["y"]], [weights])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a lab, a campaign and its models."""
    (tmp_path / "lab.yaml").write_text(LAB)
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN)
    ov.save_model(make_tiny_model(), tmp_path / "tiny.xml", compress_to_fp16=False)
    ov.save_model(make_tiny_model(), tmp_path / "half.xml", compress_to_fp16=True)
    onnx.save(onnx_model(), tmp_path / "open.onnx")
    return tmp_path


def fleetmark(desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the program in `desk`, with a cache of its own."""
    return subprocess.run(
        command(*arguments), cwd=desk, env=environment(desk), capture_output=True, text=True, check=False
    )


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("fleetmark")), *arguments]


def environment(desk: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(desk / "cache"), "COLUMNS": "120"}


def run(desk: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return fleetmark(desk, "run", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--out", "out", *more)


def table(desk: Path) -> list[dict[str, str]]:
    with (desk / "out/results.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def raw(desk: Path, row: dict[str, str]) -> list[dict[str, Any]]:
    files = sorted((desk / "out/raw" / row["machine"]).glob(f"{row['test_id']}.*.json.gz"))
    return [json.loads(gzip.decompress(file.read_bytes())) for file in files]


def unpacked(values: dict[str, Any]) -> list[int]:
    """The numbers of a sequence, by the standard library alone."""
    data = zlib.decompress(b64decode(values["base64"]))
    count = values["count"]
    assert len(data) == count * values["width"]
    numbers = [0] * count
    for place in range(values["width"]):
        for at, byte in enumerate(struct.unpack_from(f"{count}B", data, place * count)):
            numbers[at] |= byte << 8 * place
    return list(accumulate(numbers)) if values["encoding"] == "differences" else numbers


class TestACampaign:
    def test_from_two_files_to_table_and_site(self, desk: Path) -> None:
        done = run(desk)
        assert done.returncode == 0, done.stderr
        rows = table(desk)
        assert list(rows[0]) == list(COLUMNS)
        settings = [(r["model"], r["precision"], r["scenario"], r["batch"]) for r in rows]
        assert settings == [
            *[("tiny", "FP32", scenario, batch) for scenario in ("sync", "async") for batch in "14"],
            *[("open", "FP32", scenario, batch) for scenario in ("sync", "async") for batch in "14"],
            *[("half", "FP16", scenario, "1") for scenario in ("sync", "async")],
        ]
        assert {(r["status"], r["reason"], r["runs"]) for r in rows} == {("ok", "", "3")}
        assert "[30/30] box  finished" in done.stderr
        assert {(r["streams"].isdigit(), r["requests"].isdigit(), r["batch"].isdigit()) for r in rows} == {
            (True, True, True)
        }
        assert done.stdout.splitlines()[-1].startswith("10 tests: 10 ok")
        page = (desk / "out/site/index.html").read_text()
        assert all(row["model"] in page for row in rows)
        self.recompute(desk, rows)
        self.publish_again(desk)

    def publish_again(self, desk: Path) -> None:
        """The table is made from the raw results alone."""
        before = (desk / "out/results.csv").read_bytes()
        (desk / "out/results.csv").unlink()
        assert fleetmark(desk, "publish", "out").returncode == 0
        assert (desk / "out/results.csv").read_bytes() == before

    def recompute(self, desk: Path, rows: list[dict[str, str]]) -> None:
        """Every number of the table once more from the raw latencies, with nothing of fleetmark's."""
        for row in rows:
            batch = int(row["batch"])
            medians, singles, rates, shares, pooled = [], [], [], [], []
            for result in raw(desk, row):
                starts = unpacked(result["samples"]["start_ns"])
                latencies = unpacked(result["samples"]["latency_ns"])
                count = len(latencies)
                wall = max(s + n for s, n in zip(starts, latencies, strict=True)) - min(starts)
                total = sum(latencies) if row["scenario"] == "sync" else wall
                medians.append(statistics.median(latencies))
                singles.append(total / count)
                rates.append(batch * count / wall * 1e9)
                beside = [result["compiled"][key] for key in ("streams", "requests")]
                threads = 1 if row["scenario"] == "sync" else min(beside)
                shares.append(100 * result["samples"]["harness_ns"] * count / wall / threads)
                pooled += latencies
            assert len(medians) == 3
            latency = statistics.median(medians) / 1e6
            assert float(row["latency_ms"]) == pytest.approx(latency)
            assert float(row["single_pass_ms"]) == pytest.approx(statistics.median(singles) / 1e6)
            assert float(row["throughput_fps"]) == pytest.approx(statistics.median(rates))
            fps = batch / latency * 1e3 if row["scenario"] == "sync" else statistics.median(rates)
            assert float(row["fps"]) == pytest.approx(fps)
            assert float(row["harness_percent"]) == pytest.approx(statistics.median(shares))
            assert int(row["iterations"]) == len(pooled)
            assert float(row["latency_max_ms"]) == pytest.approx(max(pooled) / 1e6)
            assert float(row["latency_min_ms"]) == pytest.approx(min(pooled) / 1e6)

    def test_an_earlier_campaign_in_the_folder_is_replaced_whole(self, desk: Path) -> None:
        (desk / "campaign.yaml").write_text(only_tiny("[1, 4]"))
        assert run(desk).returncode == 0
        first = {row["campaign"] for row in table(desk)}
        time.sleep(1.1)  # a campaign's id holds the second of its making
        (desk / "campaign.yaml").write_text(only_tiny("[1]"))
        refused = run(desk)
        assert refused.returncode == 1
        assert "a campaign lies here already" in refused.stderr
        assert {row["campaign"] for row in table(desk)} == first
        assert run(desk, "--replace").returncode == 0
        rows = table(desk)
        assert len(rows) == 2
        assert {row["campaign"] for row in rows}.isdisjoint(first)
        assert len(list((desk / "out/raw/box").glob("*.json.gz"))) == 2

    def test_a_bad_test_is_a_row_and_the_exit_code_says_so(self, desk: Path) -> None:
        """Reshaped to no pixels at all: the plan finds nothing wrong, the compiler or the run does."""
        (desk / "campaign.yaml").write_text(
            CAMPAIGN.replace("limits", "") + "limits: {run_timeout_s: 2, memory_mb: 64}\n"
        )
        done = run(desk)
        assert done.returncode == 1
        assert "10 of 10 tests are not ok; the table says why." in done.stderr
        assert {row["status"] for row in table(desk)} <= {"failed", "out_of_memory", "timeout"}
        assert all(row["reason"] for row in table(desk))

    def test_a_release_that_is_not_here_costs_its_own_tests_and_no_others(self, desk: Path) -> None:
        """A local agent has one release; in A B B A it is not given up at the first B."""
        here = ".".join(ov.__version__.split(".")[:2])
        text = only_tiny("1").replace("runs: 1", "runs: 4")
        text = text.replace("matrix: {", f"matrix: {{scenarios: sync, openvino: ['2024.1', '{here}'], ")
        (desk / "campaign.yaml").write_text(text)
        done = run(desk)
        assert done.returncode == 1, done.stderr
        rows = {row["openvino"]: row for row in table(desk)}
        assert {release: (row["status"], row["runs"]) for release, row in rows.items()} == {
            "2024.1": ("unsupported", "0"),
            here: ("ok", "4"),
        }
        assert rows["2024.1"]["reason"].endswith("; the test asks for 2024.1")
        assert rows[here]["openvino_version"].startswith(here)
        assert f"OpenVINO {here}" in done.stdout


class TestPlan:
    def test_json_names_every_test(self, desk: Path) -> None:
        done = fleetmark(desk, "plan", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--json")
        assert done.returncode == 0, done.stderr
        planned = json.loads(done.stdout)
        (machine,) = planned["machines"]
        assert machine["runs"] == 30
        assert machine["estimate_s"] > 30 * 0.06
        assert len({test["id"] for test in machine["tests"]}) == 10
        assert not (desk / "out").exists()

    def test_a_precision_that_a_file_does_not_have_is_left_out_and_said(self, desk: Path) -> None:
        text = CAMPAIGN.replace("matrix:\n", "matrix:\n  precisions: [native, FP32, FP16]\n")
        (desk / "campaign.yaml").write_text(text)
        done = fleetmark(desk, "plan", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--json")
        planned = json.loads(done.stdout)
        tests = {(t["model"], t["precision"]) for t in planned["machines"][0]["tests"]}
        assert tests == {(m, p) for m in ("tiny", "open") for p in ("FP32", "FP16")} | {("half", "FP16")}
        assert {entry["reason"] for entry in planned["left_out"]} == {
            "half has FP16 weights, which fleetmark does not turn into FP32"
        }


class TestBadInput:
    @pytest.mark.parametrize(
        ("file", "old", "new", "sentence"),
        [
            (
                "campaign.yaml",
                "runs: 3",
                "rusn: 3",
                'campaign.yaml:11:1: unknown key "rusn"; did you mean "runs"?',
            ),
            (
                "campaign.yaml",
                "  - {name: tiny, path: tiny.xml}",
                "  - resnet-51",
                'campaign.yaml:4:5: models[0]: "resnet-51" is not a built-in model; did you mean "resnet-50',
            ),
            (
                "campaign.yaml",
                "batch: [1, 4]",
                "batch: [1, 4]\n  devices: [NPU]",
                "campaign.yaml:9:13: matrix.devices[0]: no machine has NPU: box has CPU",
            ),
            ("campaign.yaml", "batch: [1, 4]", "batch: []", "campaign.yaml:8:10: matrix.batch: "),
            (
                "campaign.yaml",
                "batch: [1, 4]",
                "batch: [1, 4]\n  devices: []",
                "campaign.yaml:9:12: matrix.devices: ",
            ),
            (
                "campaign.yaml",
                "batch: [1, 4]",
                "batch: [1, 4]\n  devices:",
                "campaign.yaml:9:3: matrix.devices: an empty value is not the name of a device",
            ),
            (
                "campaign.yaml",
                "min_iterations: 10",
                "min_iterations: abc",
                'campaign.yaml:12:45: measure.min_iterations: "abc" is not a whole number',
            ),
            (
                "campaign.yaml",
                "path: tiny.xml",
                "path: gone.xml",
                'gone.xml" does not exist',
            ),
            (
                "campaign.yaml",
                "exclude:",
                "exclude:\n  - {model: [tiny, open, half]}",
                "nothing is left to measure: 12 tests left out by exclude[0] (line 10)",
            ),
            (
                "campaign.yaml",
                "{name: open, path: open.onnx, shapes: {x: [N, 8]}}",
                "{name: open, path: open.onnx}",
                "campaign.yaml:5:24: models[1].path: open: input x has open dimensions [?, ?]. Give",
            ),
            (
                "lab.yaml",
                "  - name: box",
                "  - name: box\n  - name: box",
                '"box" is already the name of machines[0]',
            ),
        ],
    )
    def test_a_sentence_and_nothing_written(
        self, desk: Path, file: str, old: str, new: str, sentence: str
    ) -> None:
        text = (desk / file).read_text()
        assert old in text
        (desk / file).write_text(text.replace(old, new))
        done = run(desk)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert not (desk / "out").exists()

    @pytest.mark.parametrize(
        ("name", "content"), [("tiny.xml", b"certainly no model\n"), ("tiny.onnx", bytes(range(256)) * 8)]
    )
    def test_a_file_that_is_no_model(self, desk: Path, name: str, content: bytes) -> None:
        (desk / name).write_bytes(content)
        (desk / "campaign.yaml").write_text(
            f"schema_version: 1\nname: tiny\nmodels:\n  - {{name: tiny, path: {name}}}\n"
        )
        done = run(desk)
        assert done.returncode == 1
        where = f"campaign.yaml:4:24: models[0].path: {name}: "
        assert where + "not a model that OpenVINO can read" in done.stderr.replace(f"{desk}/", "")
        assert not (desk / "out").exists()

    def test_all_problems_at_once(self, desk: Path) -> None:
        (desk / "campaign.yaml").write_text(CAMPAIGN.replace("runs: 3", "rusn: 3").replace("[1, 4]", "[0]"))
        (desk / "lab.yaml").write_text(LAB.replace("- name: box", "- nmae: box"))
        done = run(desk)
        assert done.returncode == 1
        lines = [line for line in done.stderr.splitlines() if ".yaml:" in line]
        assert [line.partition(": ")[0] for line in lines] == [
            "lab.yaml:4:5",
            "lab.yaml:4:5",
            "campaign.yaml:8:11",
            "campaign.yaml:11:1",
        ]

    def test_an_out_folder_with_something_else(self, desk: Path) -> None:
        (desk / "out").mkdir()
        (desk / "out/thesis.txt").write_text("years of work")
        done = run(desk)
        assert done.returncode == 1
        assert "there is something here that fleetmark did not write" in done.stderr
        assert [path.name for path in (desk / "out").iterdir()] == ["thesis.txt"]

    @pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["plan", "--wrong"]])
    def test_a_wrong_command_line_is_the_users_mistake(self, desk: Path, arguments: list[str]) -> None:
        assert fleetmark(desk, *arguments).returncode == 1

    def test_a_bug_is_said_to_be_one(self, desk: Path) -> None:
        """Whatever nobody foresaw: here, an installation without its examples."""
        script = (
            "import integrator.commands.demo as demo;"
            "demo.find = lambda name: 1 / 0;"
            "import sys; sys.argv = ['fleetmark', 'demo'];"
            "from integrator.cli import main; main()"
        )
        words = [sys.executable, "-c", script]
        done = subprocess.run(words, cwd=desk, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "ZeroDivisionError" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("fleetmark: this is a bug in fleetmark")


class TestInterruption:
    @pytest.mark.parametrize(
        ("number", "group"),
        [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGHUP, False)],
        ids=["the program alone", "its whole process group", "a closed terminal"],
    )
    def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(
        self, desk: Path, number: int, group: bool
    ) -> None:
        with running(desk, duration_s=0.3) as process:
            results = desk / "out/.work/server/files/machines/box"
            wait_for(lambda: len(list(results.glob("*/results/*.gz"))) >= 3)
            find_worker(desk, "measure")
            (os.killpg if group else os.kill)(process.pid, number)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Interrupted; collecting what was measured" in said
        assert re.search(r"^box: waiting, \d+ of \d+ done$", said, re.MULTILINE)
        assert "Traceback" not in said
        assert workers(desk) == set()
        assert agents(desk) == []
        rows = table(desk)
        assert len(rows) == 10
        measured = [row for row in rows if row["status"] == "ok"]
        assert sum(int(row["runs"]) for row in measured) >= 3
        missing = [row for row in rows if row["status"] == "not_run"]
        assert missing
        assert {row["reason"] for row in missing} == {"the campaign was interrupted before this test was run"}
        assert "partial" in (desk / "out/site/index.html").read_text()

    def test_an_agent_that_was_killed_is_seen_to_have_failed(self, desk: Path) -> None:
        with running(desk, duration_s=20, more="limits: {restarts: 0}\n") as process:
            find_worker(desk, "measure")
            (agent,) = agents(desk)
            os.kill(agent, signal.SIGKILL)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        standings = re.findall(r"^box: (waiting|running|silent|failed|finished)(.*)$", said, re.MULTILINE)
        assert [state for state, _ in standings] == ["waiting", "running", "failed"]
        assert standings[-1][1] == ": the agent ended with code -9"
        assert {row["status"] for row in table(desk)} == {"not_run"}

    def test_the_agent_ends_with_the_integrator(self, desk: Path) -> None:
        with running(desk, duration_s=20) as process:
            find_worker(desk, "measure")
            process.kill()
        wait_for(lambda: not workers(desk) and not agents(desk))


@contextlib.contextmanager
def running(desk: Path, *, duration_s: float, more: str = "") -> Iterator[subprocess.Popen[str]]:
    """A campaign under way; ended for certain."""
    text = CAMPAIGN.replace("duration_s: 0.05", f"duration_s: {duration_s}") + more
    (desk / "campaign.yaml").write_text(text)
    arguments = command("run", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--out", "out")
    process = subprocess.Popen(
        arguments,
        cwd=desk,
        env=environment(desk),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def agents(desk: Path) -> list[int]:
    """The agents that work somewhere below `desk`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        if "agent.cli" in words and where.is_relative_to(desk):
            found.append(int(entry.name))
    return found
