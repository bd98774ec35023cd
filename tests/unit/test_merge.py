"""A row for every planned test, whatever came back."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from integrator.columns import COLUMNS
from integrator.merge import merge, merge_with_runs, to_csv
from integrator.merged import MergedTest
from integrator.publish import publish
from integrator.rejected import Rejections
from integrator.site.source import RUN_COLUMNS
from integrator.store import CampaignRecord, CampaignStore
from protocol.errors import UserError
from protocol.job import Job, ModelFile, ModelRef, Scenario
from protocol.result import CompiledSettings, Phases, Result, Status
from tests.support import make_job, make_samples, planned_test

MODEL = ModelRef(
    name="tiny",
    precision="FP32",
    sha256="a" * 64,
    entry="tiny.onnx",
    files=(ModelFile(name="tiny.onnx", size=1, sha256="a" * 64),),
)
SYNC = planned_test(MODEL, batch=4)
ASYNC = planned_test(MODEL, scenario=Scenario.ASYNC)


def job(**changes: Any) -> Job:
    return make_job([MODEL], [SYNC, ASYNC], **{"runs": 3, **changes})


def ok(test: str, run: int, latency_ms: float = 10.0, **changes: Any) -> Result:
    count = 100
    fields: dict[str, Any] = {
        "campaign": job().campaign,
        "machine": "box",
        "test": test,
        "run": run,
        "model_sha256": MODEL.sha256,
        "status": Status.OK,
        "started_at": datetime(2026, 1, 1, 12, run, tzinfo=UTC),
        "openvino_version": "2026.4.1",
        "compiled": CompiledSettings(
            streams=2, threads=4, requests=3, inference_precision="bf16", execution_devices=("CPU",)
        ),
        "phases": Phases(compile_ms=100.0 + run, first_inference_ms=5.0, total_ms=2000),
        "outputs_finite": True,
        "samples": make_samples(
            [latency_ms * n for n in range(count)],
            [latency_ms] * count,
            wall_ns=int(latency_ms * count * 1e6),
            stopped="precise",
            harness_ns=20_000.0,
        ),
    }
    return Result(**{**fields, **changes})


def bad(test: str, run: int, status: Status, reason: str) -> Result:
    return ok(test, run, status=status, reason=reason, samples=None, compiled=None, phases=Phases(total_ms=9))


def rows(results: list[Result], **changes: Any) -> dict[str, dict[str, Any]]:
    table = merge([job(**changes)], {"box": results}, {"box": "the machine was silent"})
    assert list(table.columns) == list(COLUMNS)
    return {row["test_id"]: dict(row) for _, row in table.iterrows()}


def test_further_settings_are_one_cell() -> None:
    asked = {"inference_precision": "bf16", "pinning": "no", "properties": {"LOG_LEVEL": "LOG_NONE"}}
    test = planned_test(MODEL, **asked)
    table = merge([make_job([MODEL], [test])], {}, {})
    assert list(table["settings"]) == ["inference_precision=bf16 pinning=no LOG_LEVEL=LOG_NONE"]


def test_good_runs_become_one_row() -> None:
    row = rows([ok(SYNC.id, run, latency) for run, latency in enumerate([10.0, 10.2, 10.1])])[SYNC.id]
    assert {key: row[key] for key in COLUMNS if key not in {"test_id", "model_sha256"}} == {
        "campaign": "tiny-20260101-000000",
        "machine": "box",
        "model": "tiny",
        "precision": "FP32",
        "device": "CPU",
        "scenario": "sync",
        "hint": "latency",
        "batch": 4,
        "streams": 2,
        "threads": 4,
        "requests": 3,
        "status": "ok",
        "reason": None,
        "verdict": "noisy",
        "verdict_reasons": "too_few_runs",
        "runs": 3,
        "iterations": 300,
        "latency_ms": pytest.approx(10.1),
        "latency_p90_ms": pytest.approx(10.2),
        "latency_p95_ms": pytest.approx(10.2),
        "latency_p99_ms": "needs 362 more",
        "latency_min_ms": pytest.approx(10.0),
        "latency_max_ms": pytest.approx(10.2),
        "single_pass_ms": pytest.approx(10.1),
        "fps": pytest.approx(4 / 0.0101),
        "throughput_fps": pytest.approx(4 / 0.0101),
        "compile_ms": 101.0,
        "first_inference_ms": 5.0,
        "effective_precision": "bf16",
        "execution_devices": "CPU",
        "openvino_version": "2026.4.1",
        "started_at": "2026-01-01T12:00:00+00:00",
        "energy_mj_per_inference": None,
        "latency_low_ms": "needs 3 more runs",
        "latency_high_ms": "needs 3 more runs",
        "throughput_low_fps": "needs 3 more runs",
        "throughput_high_fps": "needs 3 more runs",
        "settings": None,
        "timed_region": "inference",
        "stopped": "precise",
        "harness_percent": pytest.approx(100 * 0.02 / 10.1),
        "openvino": "auto",
        "latency_p95_high_ms": "needs 3 more runs",
        "latency_p99_high_ms": "needs 362 more",
    }


def test_why_runs_ended_is_counted_where_they_differ() -> None:
    reasons = ["time", "precise", "time"]
    results = [
        ok(SYNC.id, n, samples=make_samples([0, 10], [10, 10], stopped=reason))
        for n, reason in enumerate(reasons)
    ]
    assert rows(results)[SYNC.id]["stopped"] == "1 precise, 2 time"
    assert rows([ok(SYNC.id, 0)])[SYNC.id]["stopped"] == "precise"


def test_the_harness_costs_less_where_streams_share_it() -> None:
    """Of async, divided by the 2 streams and not by the 3 requests; unknown where the streams are."""
    results = [ok(ASYNC.id, n) for n in range(3)]
    assert rows(results)[ASYNC.id]["harness_percent"] == pytest.approx(0.1)
    unknown = [ok(ASYNC.id, n, compiled=CompiledSettings(requests=3)) for n in range(3)]
    assert rows(unknown)[ASYNC.id]["harness_percent"] is None


def test_a_costly_harness_is_named_and_leaves_the_row_valid() -> None:
    results = [
        ok(SYNC.id, n, samples=make_samples([0, 10], [10, 10], harness_ns=200_000.0)) for n in range(6)
    ]
    row = rows(results, runs=6)[SYNC.id]
    assert row["harness_percent"] == pytest.approx(2.0)
    assert "harness_cost" in row["verdict_reasons"].split()
    assert row["verdict"] == "valid"


def test_the_timed_region_is_that_of_the_test() -> None:
    test = planned_test(MODEL, timed_region="with_input_copy")
    assert list(merge([make_job([MODEL], [test])], {}, {})["timed_region"]) == ["with_input_copy"]


def test_six_runs_have_intervals() -> None:
    latencies = [10.0, 10.2, 10.1, 10.3, 10.4, 10.05]
    row = rows([ok(SYNC.id, run, latency) for run, latency in enumerate(latencies)])[SYNC.id]
    assert 10.0 < row["latency_low_ms"] < row["latency_ms"] < row["latency_high_ms"] < 10.4
    assert row["throughput_low_fps"] == pytest.approx(4e3 / row["latency_high_ms"])
    assert row["throughput_high_fps"] == pytest.approx(4e3 / row["latency_low_ms"])


def test_a_test_without_runs_has_no_interval() -> None:
    assert rows([])[SYNC.id]["latency_low_ms"] is None


def test_the_columns_that_others_rely_on_come_first_and_in_their_order() -> None:
    fixed = [
        "campaign",
        "machine",
        "model",
        "precision",
        "device",
        "scenario",
        "hint",
        "batch",
        "streams",
        "threads",
        "requests",
        "status",
        "reason",
        "verdict",
        "verdict_reasons",
        "runs",
        "iterations",
        "latency_ms",
        "latency_p90_ms",
        "latency_p95_ms",
        "latency_p99_ms",
        "latency_min_ms",
        "latency_max_ms",
        "single_pass_ms",
        "fps",
        "throughput_fps",
        "compile_ms",
        "first_inference_ms",
        "effective_precision",
        "execution_devices",
        "openvino_version",
        "model_sha256",
        "started_at",
        "test_id",
    ]
    assert list(COLUMNS[: len(fixed)]) == fixed


def test_a_test_without_results_says_why() -> None:
    row = rows([])[ASYNC.id]
    assert (row["status"], row["reason"]) == ("not_run", "the machine was silent")
    assert (row["runs"], row["latency_ms"], row["verdict"]) == (0, None, None)


def test_every_test_has_its_row_though_another_failed() -> None:
    table = rows([bad(SYNC.id, 0, Status.CRASHED, "SIGSEGV"), ok(ASYNC.id, 0)])
    assert [row["status"] for row in table.values()] == ["crashed", "ok"]


@pytest.mark.parametrize(
    "status", [Status.FAILED, Status.TIMEOUT, Status.CRASHED, Status.OUT_OF_MEMORY, Status.UNSUPPORTED]
)
def test_one_bad_run_makes_the_row(status: Status) -> None:
    """Its reason is there, and the numbers of the other runs, which are not to be trusted."""
    results = [ok(SYNC.id, 0), ok(SYNC.id, 1), bad(SYNC.id, 2, status, "so it was")]
    row = rows(results)[SYNC.id]
    assert (row["status"], row["reason"]) == (status.value, "run 3 of 3: so it was")
    assert (row["verdict"], row["runs"], row["latency_ms"]) == ("invalid", 2, pytest.approx(10.0))
    assert row["verdict_reasons"] == "run_failed too_few_runs"


def test_the_worst_of_several_is_shown() -> None:
    results = [
        bad(SYNC.id, 0, Status.TIMEOUT, "late"),
        bad(SYNC.id, 1, Status.CRASHED, "gone"),
        bad(SYNC.id, 2, Status.NOT_RUN, "not repeated"),
    ]
    assert rows(results)[SYNC.id]["status"] == "crashed"


def test_runs_that_were_not_started_leave_the_row_ok_and_doubted() -> None:
    row = rows([ok(SYNC.id, 0), ok(SYNC.id, 1)])[SYNC.id]
    assert (row["status"], row["verdict"], row["verdict_reasons"]) == (
        "ok",
        "noisy",
        "too_few_runs runs_missing",
    )


def test_skipped_runs_give_their_own_reason() -> None:
    row = rows([bad(SYNC.id, run, Status.NOT_RUN, "the model could not be fetched") for run in range(3)])
    assert row[SYNC.id]["reason"] == "the model could not be fetched"


def test_impossible_latencies_are_not_believed() -> None:
    row = rows([ok(SYNC.id, 0, latency_ms=0.0), ok(SYNC.id, 1), ok(SYNC.id, 2)])[SYNC.id]
    assert (row["status"], row["reason"]) == ("failed", "run 1 of 3: its latencies are zero")


def test_merging_again_changes_nothing_and_order_does_not_matter() -> None:
    results = [ok(SYNC.id, 0), ok(SYNC.id, 1, 11.0), bad(ASYNC.id, 0, Status.FAILED, "no")]
    first = to_csv(merge([job()], {"box": results}, {}))
    again = to_csv(merge([job()], {"box": list(reversed(results))}, {}))
    assert first == again


def test_machines_keep_to_themselves() -> None:
    other = job(machine="other")
    table = merge([job(), other], {"box": [ok(SYNC.id, 0)]}, {"other": "it was off"})
    assert list(table["machine"]) == ["box", "box", "other", "other"]
    assert list(table["status"]) == ["ok", "not_run", "not_run", "not_run"]
    assert table["reason"].iloc[3] == "it was off"


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\r\n=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    written = to_csv(merge([job()], {"box": [bad(SYNC.id, 0, Status.FAILED, text)]}, {"box": text}))
    table = list(csv.DictReader(io.StringIO(written, newline="")))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    assert [row["reason"] for row in table] == [f"run 1 of 3: {text}", f"'{text}"]


def test_csv_survives_separators_quotes_and_line_breaks() -> None:
    text = 'a,b;"c"\nd — é'
    written = to_csv(merge([job()], {"box": [bad(SYNC.id, 0, Status.FAILED, text)]}, {}))
    (first, _) = csv.DictReader(io.StringIO(written, newline=""))
    assert first["reason"] == f"run 1 of 3: {text}"
    assert first["latency_ms"] == ""
    assert written.splitlines()[0] == ",".join(COLUMNS)


class TestStore:
    def store(self, folder: Path) -> CampaignStore:
        store = CampaignStore(folder / "out")
        record = CampaignRecord(
            campaign=job().campaign, title="t", lab="l", created_at=job().created_at, machines=("box",)
        )
        store.make_room()
        store.write_plan(record, (job(),))
        return store

    def put(self, store: CampaignStore, name: str, data: bytes) -> None:
        path = store.result_folder("box") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def test_results_come_back_as_they_went(self, tmp_path: Path) -> None:
        store = self.store(tmp_path)
        result = ok(SYNC.id, 0)
        self.put(store, f"{SYNC.id}.0.json.gz", result.to_gzip())
        assert store.read_results(job(), Rejections("folder")) == (result,)
        assert store.read_jobs(store.read_record()) == (job(),)

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            (f"{SYNC.id}.0.json.gz", b"not gzip"),
            (f"{SYNC.id}.0.json.gz", ok(SYNC.id, 0).to_gzip()[:-20]),
            (f"{SYNC.id}.0.json.gz", ok(SYNC.id, 1).to_gzip()),
            (f"{SYNC.id}.0.json.gz", ok(SYNC.id, 0, machine="other").to_gzip()),
            (f"{SYNC.id}.0.json.gz", ok(SYNC.id, 0, campaign="other").to_gzip()),
            (f"{SYNC.id}.0.json.gz", ok(SYNC.id, 0, timed_region="with_input_copy").to_gzip()),
            (f"{SYNC.id}.9.json.gz", ok(SYNC.id, 9).to_gzip()),
            ("never-planned.0.json.gz", ok("never-planned", 0).to_gzip()),
        ],
    )
    def test_what_is_not_a_planned_result_is_left_out(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, data: bytes
    ) -> None:
        store = self.store(tmp_path)
        self.put(store, name, data)
        self.put(store, f"{ASYNC.id}.0.json.gz", ok(ASYNC.id, 0).to_gzip())
        rejected = Rejections("folder")
        assert [result.test for result in store.read_results(job(), rejected)] == [ASYNC.id]
        assert [rejection.name for rejection in rejected.files] == [name]
        assert [record.message for record in caplog.records if record.message.startswith("rejected: box")]

    def test_a_foreign_campaign_file_does_not_make_a_folder_ours(self, tmp_path: Path) -> None:
        (tmp_path / "campaign.json").write_text('{"mine": true}')
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw/keep.txt").write_text("years of work")
        with pytest.raises(UserError, match="something here that fleetmark did not write"):
            CampaignStore(tmp_path).make_room(replace=True)
        assert (tmp_path / "raw/keep.txt").exists()

    def test_a_campaign_without_results_is_published_all_the_same(self, tmp_path: Path) -> None:
        store = self.store(tmp_path)
        table = publish(store)
        assert list(table["status"]) == ["not_run", "not_run"]
        assert store.csv.is_file()
        assert "no result came back" in (store.site / "index.html").read_text()

    def test_where_nothing_can_be_written_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="nothing can be written here"):
            CampaignStore(tmp_path / "file").make_room()
        with pytest.raises(UserError, match="nothing can be written here"):
            CampaignStore(Path("/proc/fleetmark")).make_room()

    def test_a_folder_with_something_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(UserError, match="something here that fleetmark did not write"):
            CampaignStore(tmp_path).make_room()
        assert (tmp_path / "thesis.txt").exists()

    def test_a_folder_without_a_campaign_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no campaign lies here"):
            CampaignStore(tmp_path).read_record()


def test_the_runs_behind_the_table() -> None:
    results = [ok(SYNC.id, 1, 12.0), ok(SYNC.id, 0), bad(ASYNC.id, 0, Status.CRASHED, "signal 11")]
    seen = []

    def explain(test: MergedTest) -> dict[str, object]:
        seen.append(test.test.id)
        return {"summaries": len(test.summaries)}

    merged = merge_with_runs([job()], {"box": results}, {}, explain=explain)
    assert merged.table.equals(merge([job()], {"box": results}, {}))
    assert list(merged.runs.columns) == list(RUN_COLUMNS)
    assert merged.runs.fillna(-1.0).to_numpy().tolist() == [
        ["box", SYNC.id, 0, "ok", 10.0, pytest.approx(4 * 100 / 1.0)],
        ["box", SYNC.id, 1, "ok", 12.0, pytest.approx(4 * 100 / 1.2)],
        ["box", ASYNC.id, 0, "crashed", -1.0, -1.0],
    ]
    assert merged.runs["latency_ms"].dtype == float
    assert (seen, merged.details["box", SYNC.id]) == ([SYNC.id, ASYNC.id], {"summaries": 2})


def test_runs_of_nothing_are_a_table_of_numbers() -> None:
    merged = merge_with_runs([job()], {}, {})
    assert (len(merged.runs), len(merged.details)) == (0, 0)
    assert merged.runs["throughput_fps"].dtype == np.float64
