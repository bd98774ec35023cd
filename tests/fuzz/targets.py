"""What is fuzzed: each target makes an input from a seed, and feeds it to a parser.

The property of all: a document, or one of fleetmark's own errors with a message of bounded length.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.lease import Sighting, remaining_s
from ftp_server.account_file import AccountsDocument
from integrator.machine_report import facts_of
from integrator.merge import merge_with_runs
from integrator.rejected import Rejections, keep_rejections, read_rejections, summary
from integrator.site.explain.detail import detail_of
from integrator.store import CampaignRecord, CampaignStore
from protocol.account import Account
from protocol.errors import DocumentError, UserError
from protocol.job import (
    Hint,
    Input,
    Job,
    Limits,
    Measure,
    ModelFile,
    ModelRef,
    PlannedTest,
    Scenario,
    ScheduledRun,
)
from protocol.layout import result_name, split_result_name
from protocol.lease import Lease
from protocol.machine import MachineDescription
from protocol.result import Result
from protocol.status import Heartbeat
from tests.fuzz.mutate import broken_bytes, broken_json, broken_name, packed
from tests.support import make_samples

__all__ = ["TARGETS", "Target"]

MAX_MESSAGE = 2000

_NOW = "2026-01-01T00:00:00Z"
_SHA = "0" * 64
_CONDITIONS: dict[str, Any] = {
    "seconds": 1.0,
    "timer_resolution_ns": 1,
    "logical_cores": 2,
    "before": {"load_1min": 0.5, "frequency_min_hz": 10**9},
    "after": {"temperature_c": 40.0, "available_memory_bytes": 1 << 30},
    "process_cpu_s": 1.0,
    "other_load_cores": 0.1,
    "major_faults": 0,
    "voluntary_switches": 3,
    "involuntary_switches": 4,
    "energy_joules": {"package-0": 12.5},
    "unknown": {"steal_cores": "not in a virtual machine"},
}
_RESULT: dict[str, Any] = {
    "schema_version": 2,
    "campaign": "fuzz",
    "machine": "box",
    "test": "tiny-sync-b1",
    "run": 0,
    "model_sha256": _SHA,
    "status": "ok",
    "started_at": _NOW,
    "openvino_version": "2026.0.0",
    "inputs": [{"name": "image", "shape": [1, 3, 32, 32], "element_type": "f32"}],
    "compiled": {"streams": 1, "threads": 2, "requests": 1, "execution_devices": ["CPU"]},
    "phases": {"total_ms": 100.0, "compile_ms": 5.0, "first_inference_ms": 0.2},
    "warmup_inferences": 10,
    "outputs_finite": True,
    "conditions": _CONDITIONS,
    "samples": make_samples([n * 0.5 for n in range(60)], [0.4 + n % 7 / 100 for n in range(60)]).model_dump(
        mode="json"
    ),
}
_FAILED = _RESULT | {"status": "failed", "reason": "RuntimeError: no", "samples": None, "conditions": None}
_PLAIN = base64.b64encode(b"".join((n * 400_000).to_bytes(8, "little") for n in range(1, 61))).decode()
_OLDER = _RESULT | {
    "schema_version": 1,
    "samples": {
        "start_ns": {"count": 60, "base64": _PLAIN},
        "latency_ns": {"count": 60, "base64": _PLAIN},
        "wall_ns": 24_000_000,
        "clock_step_ns": 7,
    },
}
_HEARTBEAT: dict[str, Any] = {
    "schema_version": 1,
    "campaign": "fuzz",
    "machine": "box",
    "state": "running",
    "detail": "measuring",
    "test": "tiny-sync-b1",
    "run": 1,
    "done": 1,
    "total": 4,
    "failed": 0,
    "updated_at": _NOW,
    "silent_until": _NOW,
    "fleetmark_version": "0.1",
}
_MACHINE: dict[str, Any] = {
    "schema_version": 1,
    "machine": "box",
    "collected_at": _NOW,
    "fingerprint": {
        "architecture": "x86_64",
        "cpu_family": 6,
        "logical_cores": 8,
        "smt": True,
        "isa": ["avx2"],
        "caches": [{"level": 1, "type": "Data", "size_bytes": 32768, "count": 8}],
        "memory_gib": 16.0,
        "devices": [{"name": "CPU", "capabilities": ["FP32"], "memory_bytes": 1 << 30}],
    },
    "configuration": {
        "os": "Debian",
        "kernel_parameters": ["quiet"],
        "power_limits_w": {"package-0 long_term": 28.0},
        "mitigations": {"spectre_v2": "on"},
        "isolated_cpus": [1],
        "swap_bytes": 0,
        "usable_cores": 8.0,
        "python": "3.11",
        "openvino": "2026.0",
        "fleetmark": "0.1",
    },
    "unknown": {"turbo": "not said"},
    "probe": [
        {
            "device": "CPU",
            "properties": {"NUM_STREAMS": "RW"},
            "streams_range": [1, 8],
            "requests_range": [1, 8, 1],
            "hints": [{"hint": "latency", "streams": 1, "precision": "f32"}],
        }
    ],
}
_JOB = Job(
    campaign="fuzz",
    machine="box",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    seed=1,
    measure=Measure(duration_s=0.05, min_iterations=20, warmup_s=0.01),
    limits=Limits(),
    models=(
        ModelRef(
            name="tiny",
            precision="FP32",
            sha256=_SHA,
            entry="tiny.xml",
            files=(ModelFile(name="tiny.xml", size=1, sha256=_SHA),),
        ),
    ),
    tests=(
        PlannedTest(
            id="tiny-sync-b1",
            model="tiny",
            precision="FP32",
            model_sha256=_SHA,
            inputs=(Input(name="image", shape=(1, 3, 32, 32), element_type="f32"),),
            device="CPU",
            scenario=Scenario.SYNC,
            hint=Hint.LATENCY,
            batch=1,
        ),
    ),
    schedule=tuple(ScheduledRun(test="tiny-sync-b1", run=run) for run in range(2)),
)
_OLDER_JOB = json.loads(_JOB.to_bytes()) | {"schema_version": 1}
_OLDER_JOB["measure"] = {k: v for k, v in _OLDER_JOB["measure"].items() if k != "interval_target"}
_LEASE: dict[str, Any] = {
    "schema_version": 1,
    "machine": "box",
    "term": 3,
    "holder": "node-7-0123abcd",
    "lifetime_s": 600.0,
    "renewal": 2,
    "released": False,
}
_PASSWORD = "tell-it-nobody"
_ACCOUNT: dict[str, Any] = {
    "schema_version": 1,
    "host": "lab.example",
    "port": 2121,
    "user": "box",
    "password": _PASSWORD,
    "ca_certificate": "-----BEGIN CERTIFICATE-----",
}
_ACCOUNTS: dict[str, Any] = {
    "schema_version": 1,
    "accounts": [
        {"name": "box", "role": "machine", "password_argon2id": "$argon2id$v=19$", "created_at": _NOW},
        {"name": "boss", "role": "integrator", "password_argon2id": "$argon2id$v=19$", "created_at": _NOW},
    ],
}
_REJECTED: dict[str, Any] = {
    "schema_version": 1,
    "files": [{"machine": "box", "name": "x.gz", "reason": "is not the name of a result", "found": "server"}],
    "more": {"folder": 7},
}
_RECORD: dict[str, Any] = {
    "schema_version": 1,
    "campaign": "fuzz",
    "title": "fuzz",
    "lab": "lab",
    "created_at": _NOW,
    "machines": ["box"],
    "absent": {},
}


@dataclass(frozen=True, slots=True)
class Target:
    """One parser: `make` an input from random numbers, `feed` it; `feed` says whether it was taken."""

    name: str
    share: int
    """Of a hundred inputs, how many; what is slow has less."""
    make: Callable[[random.Random], bytes]
    feed: Callable[[bytes], bool]


def _text(*documents: dict[str, Any]) -> Callable[[random.Random], bytes]:
    whole = [json.dumps(document).encode() for document in documents]

    def make(rng: random.Random) -> bytes:
        at = rng.randrange(len(documents))
        return broken_bytes(rng, whole[at]) if rng.random() < 0.3 else broken_json(rng, documents[at])

    return make


def _result_gzip(rng: random.Random) -> bytes:
    return packed(rng, _text(_RESULT, _OLDER, _FAILED)(rng))


def _refused(error: DocumentError | UserError) -> bool:
    said = str(error)
    assert len(said) <= MAX_MESSAGE, f"a message of {len(said):,} characters"
    assert said.replace("\n", "").isprintable(), f"a message that no terminal should get: {said[:200]!r}"
    return False


def _feed_result(data: bytes) -> bool:
    try:
        result = Result.from_gzip(data, source="a result")
    except DocumentError as error:
        return _refused(error)
    # What was taken can be written, read and merged.
    assert Result.from_bytes(result.to_bytes(), source="again").run == result.run
    if result.test == _JOB.tests[0].id:
        _merged([_JOB], {"box": [result]})
    return True


def _merged(jobs: Sequence[Job], results: Mapping[str, Iterable[Result]]) -> None:
    """To the table, and to what the site shows of each test."""
    merged = merge_with_runs(jobs, results, {}, explain=lambda test: detail_of(test, builtin=()))
    for detail in merged.details.values():
        json.dumps(detail, allow_nan=False)


def _feed_heartbeat(data: bytes) -> bool:
    try:
        said = Heartbeat.from_bytes(data, source="a heartbeat")
    except DocumentError as error:
        return _refused(error)
    said.to_bytes()
    return True


def _feed_machine(data: bytes) -> bool:
    try:
        machine = MachineDescription.from_bytes(data, source="a machine")
    except DocumentError as error:
        return _refused(error)
    machine.to_bytes()
    assert machine.fingerprint.key
    for _ in facts_of(machine):
        pass
    return True


def _feed_lease(data: bytes) -> bool:
    try:
        lease = Lease.from_bytes(data, source="a lease")
    except DocumentError as error:
        return _refused(error)
    # What was taken can be judged and renewed.
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert 0 <= remaining_s(Sighting(lease, moment, moment), "me-1") < 9 * 86400
    lease.model_copy(update={"renewal": lease.renewal + 1}).to_bytes()
    return True


def _feed_account(data: bytes) -> bool:
    try:
        account = Account.from_bytes(data, source="an account")
    except DocumentError as error:
        _refused(error)
        said = str(error)
    else:
        assert Account.from_bytes(account.to_bytes(), source="again") == account
        return True
    assert _PASSWORD not in said
    return False


def _feed_accounts(data: bytes) -> bool:
    """As the server reads its own file, which a person may have edited."""
    try:
        accounts = AccountsDocument.from_bytes(data, source="accounts.json")
    except DocumentError as error:
        return _refused(error)
    accounts.to_bytes()
    return True


def _feed_job(data: bytes) -> bool:
    try:
        job = Job.from_bytes(data, source="a job")
    except DocumentError as error:
        return _refused(error)
    assert Job.from_bytes(job.to_bytes(), source="again") == job
    return True


def _feed_rejected(data: bytes) -> bool:
    """The integrator's own list; what cannot be read counts as nothing, and is written anew."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY) as name:
        file = Path(name) / "rejected.json"
        file.write_bytes(data)
        rejected = Rejections("folder")
        rejected.add("box", "\x1b[2J" * 300, "because\n" * 300)
        keep_rejections(file, rejected)
        kept = read_rejections(file)
        assert kept.files[-1] == rejected.files[-1]
        assert summary(file).isprintable()
    return len(kept.files) > 1


def _name(rng: random.Random) -> bytes:
    return broken_name(rng, f"tiny-sync-b1.{rng.choice((0, 7, 10, 123, 9999, 12345))}.json.gz").encode()


def _feed_name(data: bytes) -> bool:
    name = data.decode(errors="surrogateescape")  # as the names in a folder
    found = split_result_name(name)
    # One run, one name: were there two, a machine could hand in a run twice.
    assert found is None or result_name(*found) == name, name
    return found is not None


def _folder(rng: random.Random) -> bytes:
    """Names and contents of a campaign's folder as JSON; contents are Latin-1."""
    files = {
        "campaign.json": _text(_RECORD)(rng) if rng.random() < 0.2 else json.dumps(_RECORD).encode(),
        "jobs/box.json": _JOB.to_bytes(),
        "raw/box/machine.json": _text(_MACHINE)(rng),
    }
    for _ in range(2):
        files[f"raw/box/{broken_name(rng, 'tiny-sync-b1.0.json.gz')}"] = _result_gzip(rng)
    return json.dumps({name: data.decode("latin-1") for name, data in files.items()}).encode()


def _feed_folder(data: bytes) -> bool:
    try:
        files = {str(path): str(content) for path, content in json.loads(data).items()}
    except (ValueError, AttributeError, RecursionError):
        return False  # what mutates by coverage breaks this, which no machine sends
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY) as name:
        folder = Path(name)
        for path, content in files.items():
            # Names that no file system takes cannot lie in a folder.
            with contextlib.suppress(OSError, ValueError):
                target = folder / path
                if not target.resolve().is_relative_to(folder.resolve()):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.encode("latin-1"))
        store = CampaignStore(folder)
        try:
            record = store.read_record()
            jobs = store.read_jobs(record) if record.machines == ("box",) else ()
        except (DocumentError, UserError) as error:
            return _refused(error)
        rejected = Rejections("folder")
        store.read_machines(
            CampaignRecord.from_bytes(json.dumps(_RECORD).encode(), source="a record"), rejected
        )
        results = {job.machine: store.read_results(job, rejected) for job in jobs}
        keep_rejections(store.rejected, rejected)
        assert len(read_rejections(store.rejected).files) == len(rejected.files), "a rejection was lost"
        assert all(len({r.run for r in found}) == len(found) for found in results.values()), "a run twice"
        _merged(jobs, results)
    return True


_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no disk wears out

TARGETS = (
    Target("result", 45, _result_gzip, _feed_result),
    Target("heartbeat", 15, _text(_HEARTBEAT), _feed_heartbeat),
    Target("machine", 15, _text(_MACHINE), _feed_machine),
    Target("name", 8, _name, _feed_name),
    Target("lease", 6, _text(_LEASE), _feed_lease),
    Target("account", 3, _text(_ACCOUNT), _feed_account),
    Target("accounts", 2, _text(_ACCOUNTS), _feed_accounts),
    Target("job", 3, _text(json.loads(_JOB.to_bytes()), _OLDER_JOB), _feed_job),
    Target("rejected", 2, _text(_REJECTED), _feed_rejected),
    Target("folder", 1, _folder, _feed_folder),
)
