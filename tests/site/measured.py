"""A campaign as agents leave it: raw results with latencies and conditions, a crash and ill-meant texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from integrator.publish import publish
from integrator.store import CampaignRecord, CampaignStore
from protocol.job import Hint, Job, ModelFile, ModelRef, PlannedTest, Scenario
from protocol.layout import result_name
from protocol.machine import Configuration, Fingerprint, MachineDescription
from protocol.result import CompiledSettings, Conditions, Phases, Result, Status, Surroundings
from tests.support import make_job, make_samples, planned_test

__all__ = ["CRASHED", "EVIL", "JOB", "STEADY", "WIDE", "build"]

EVIL = (
    "</script><script>window.owned = 1</script><img src=x onerror=window.owned=1> \u202eexe \u2028 "
    "=cmd|' /C calc'!A0\n" + "at layer /head/post/Scatter\n" * 60
)
MODEL = ModelRef(
    name="mobilenet-v2",
    precision="FP32",
    sha256="a" * 64,
    entry="model.xml",
    files=(ModelFile(name="model.xml", size=123_456, sha256="a" * 64),),
)
STEADY = planned_test(MODEL, id="steady-sync", threads=4, pinning="no", properties={"LOG_LEVEL": "LOG_NONE"})
WIDE = planned_test(
    MODEL, id="wide-async", scenario=Scenario.ASYNC, batch=2, streams=2, requests=4, hint=Hint.NONE
)
CRASHED = planned_test(MODEL, id="crashed", device="GPU")
RUNS = 10
JOB: Job = make_job([MODEL], [STEADY, WIDE, CRASHED], runs=RUNS, created_at=datetime(2026, 5, 1, tzinfo=UTC))


def build(folder: Path) -> Path:
    """The campaign's folder, published; its site is in `site`."""
    store = CampaignStore(folder)
    record = CampaignRecord(
        campaign=JOB.campaign,
        title=f"A campaign {EVIL[:40]}",
        lab="lab",
        created_at=JOB.created_at,
        machines=(JOB.machine,),
    )
    store.write_plan(record, (JOB,))
    raw = store.result_folder(JOB.machine)
    raw.mkdir(parents=True)
    store.machine_file(JOB.machine).write_bytes(_machine().to_bytes())
    for number, test in enumerate((STEADY, WIDE)):
        for run in range(RUNS):
            _write(raw, _measured(test, run, seed=100 * number + run))
    _write(raw, _bad(CRASHED, 0))
    for run in range(1, RUNS):
        _write(raw, _bad(CRASHED, run, status=Status.NOT_RUN, reason="another run of this test crashed"))
    publish(store)
    return store.site


def _write(raw: Path, result: Result) -> None:
    (raw / result_name(result.test, result.run)).write_bytes(result.to_gzip())


def _measured(test: PlannedTest, run: int, *, seed: int) -> Result:
    random = np.random.default_rng(seed)
    count = 120 if test is STEADY else 700
    centre = (10.0 if test is STEADY else 3.0) * (1 + 0.002 * random.standard_normal())
    latencies = centre * (1 + 0.01 * np.abs(random.standard_normal(count)))
    if test is WIDE:
        latencies[::50] *= 8
    starts = np.cumsum(latencies) - latencies
    return _result(
        test,
        run,
        compiled=CompiledSettings(
            streams=2 if test is WIDE else 1,
            threads=8,
            requests=test.requests if isinstance(test.requests, int) else 1,
            pinning=False,
            inference_precision="bf16",
            execution_devices=("CPU",),
            properties={"LOG_LEVEL": "LOG_NONE", "NETWORK_NAME": EVIL[:80]},
        ),
        conditions=Conditions(
            seconds=float(latencies.sum()) / 1e3,
            timer_resolution_ns=1,
            logical_cores=8,
            before=Surroundings(frequency_max_hz=3_400_000_000, load_1min=0.4),
            after=Surroundings(frequency_max_hz=3_390_000_000 - run, load_1min=0.5),
            process_cpu_s=1.5,
            other_load_cores=0.01 * run,
            throttle_events=0,
            major_faults=0,
            voluntary_switches=12,
            involuntary_switches=run,
            energy_joules={"package-0": 15.0 + run},
            unknown={"temperature_c": f"no sensor {EVIL[:60]}"},
        ),
        samples=make_samples(starts.tolist(), latencies.tolist(), stopped="precise", harness_ns=2000.0),
        outputs_finite=True,
    )


def _bad(test: PlannedTest, run: int, **changes: Any) -> Result:
    return _result(test, run, **{"status": Status.CRASHED, "reason": EVIL, **changes})


def _result(test: PlannedTest, run: int, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "campaign": JOB.campaign,
        "machine": JOB.machine,
        "test": test.id,
        "run": run,
        "model_sha256": MODEL.sha256,
        "status": Status.OK,
        "started_at": datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(minutes=run),
        "openvino_version": "2026.4.1-22982-e213a147257-releases/2026/4",
        "phases": Phases(import_ms=110.0, compile_ms=350.0 + run, measure_ms=1200.0, total_ms=2000.0),
    }
    return Result(**{**fields, **changes})


def _machine() -> MachineDescription:
    return MachineDescription(
        machine=JOB.machine,
        collected_at=datetime(2026, 5, 1, tzinfo=UTC),
        fingerprint=Fingerprint(architecture="x86_64"),
        configuration=Configuration(usable_cores=8, python="3.11.2", openvino="2026.4.1", fleetmark="0.1.0"),
    )
