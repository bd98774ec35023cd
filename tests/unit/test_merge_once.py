"""The merge takes each result once, and is the same however often and in whatever order results come."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrator.merge import merge, to_csv
from integrator.publish import publish
from integrator.store import CampaignRecord, CampaignStore
from protocol.job import ModelFile, ModelRef, Scenario
from protocol.layout import result_name
from protocol.result import Phases, Result, Status
from tests.support import CAMPAIGN, make_job, make_samples, planned_test

RUNS = 6
FILE = ModelFile(name="tiny.onnx", size=1, sha256="a" * 64)
MODEL = ModelRef(name="tiny", precision="FP32", sha256="a" * 64, entry="tiny.onnx", files=(FILE,))
TESTS = [planned_test(MODEL), planned_test(MODEL, scenario=Scenario.ASYNC)]
JOBS = tuple(make_job([MODEL], TESTS, runs=RUNS, machine=machine) for machine in ("box", "twin"))


def make_result(machine: str, test: str, run: int) -> Result:
    """Each differs from the others, and some went wrong in their own way."""
    fields: dict[str, Any] = {
        "campaign": CAMPAIGN,
        "machine": machine,
        "test": test,
        "run": run,
        "model_sha256": MODEL.sha256,
        "status": Status.OK,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=7 * run),
        "openvino_version": f"2026.{run % 2}",
        "phases": Phases(total_ms=1.0, compile_ms=10.0 + run),
    }
    if machine == "twin" and run in (1, 4):
        status = Status.CRASHED if "async" in test else Status.FAILED
        return Result(**{**fields, "status": status, "reason": f"it was run {run}"})
    latency = 0.4 + run / 100 + (machine == "twin")
    return Result(**fields, samples=make_samples([n * 2.0 for n in range(40)], [latency] * 40))


ALL = [make_result(job.machine, test.id, run) for job in JOBS for test in TESTS for run in range(RUNS)]
subsets = st.lists(st.sampled_from(range(len(ALL))), unique=True).map(lambda at: [ALL[n] for n in at])


def table(results: Sequence[Result]) -> str:
    by_machine = {job.machine: [r for r in results if r.machine == job.machine] for job in JOBS}
    return to_csv(merge(JOBS, by_machine, {}))


def in_order(results: Sequence[Result]) -> list[Result]:
    return sorted(results, key=lambda result: (result.machine, result.test, result.run))


@settings(deadline=None, max_examples=60)
@given(subsets, st.data())
def test_order_and_repetition_change_nothing(results: list[Result], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(results))) if results else []
    copies = [Result.from_gzip(result.to_gzip(), source="again") for result in again]
    shuffled = data.draw(st.permutations([*results, *copies]))
    assert table(shuffled) == table(in_order(results))


@settings(deadline=None, max_examples=30)
@given(subsets)
def test_what_is_there_is_counted_and_the_rest_is_missing(results: list[Result]) -> None:
    rows = merge(JOBS, {job.machine: [r for r in results if r.machine == job.machine] for job in JOBS}, {})
    for row in rows.to_dict("records"):
        mine = [r for r in results if (r.machine, r.test) == (row["machine"], row["test_id"])]
        assert row["runs"] == sum(r.status is Status.OK for r in mine)
        assert (row["status"] == Status.NOT_RUN) == (not mine)
        assert row["iterations"] == 40 * row["runs"]


@settings(deadline=None, max_examples=8)
@given(subsets, st.data())
def test_publishing_is_the_same_however_files_came(results: list[Result], data: st.DataObject) -> None:
    """Files come in two portions, some of them again; every publishing gives the bytes of what is there."""
    cut = data.draw(st.integers(0, len(results)))
    shuffled = data.draw(st.permutations(results))
    with tempfile.TemporaryDirectory() as folder:
        store = CampaignStore(Path(folder))
        machines = tuple(job.machine for job in JOBS)
        record = CampaignRecord(
            campaign=CAMPAIGN, title="t", lab="l", created_at=JOBS[0].created_at, machines=machines
        )
        store.write_plan(record, JOBS)
        came: dict[str, Result] = {}
        for portion in (shuffled[:cut], shuffled[cut // 2 :], []):
            for result in portion:
                file = store.result_folder(result.machine) / result_name(result.test, result.run)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(result.to_gzip())
                came[str(file)] = result
            publish(store)
            assert store.csv.read_text() == table(in_order(list(came.values())))


def test_two_contents_of_one_run_are_a_bug_and_no_choice() -> None:
    other = ALL[0].model_copy(update={"warmup_inferences": 7})
    with pytest.raises(ValueError, match="two results of run 0 of tiny-sync-b1 on box"):
        table([ALL[0], other])
