"""What a machine may leave on the server, or somebody on its disk: rejected, and the rest is merged."""

from __future__ import annotations

import base64
import gzip
import html
import json
import logging
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.collect import collect
from integrator.publish import publish
from integrator.rejected import read_rejections, summary
from integrator.store import CampaignRecord, CampaignStore
from protocol.account import Account
from protocol.errors import RefusedTransferError, TransientTransferError
from protocol.job import ModelFile, ModelRef, Scenario
from protocol.layout import CampaignFolder, result_name
from protocol.machine import Configuration, Fingerprint, MachineDescription
from protocol.result import Phases, Result, Status
from protocol.retry import RetryPolicy
from protocol.transfer import TransferClient
from tests.support import CAMPAIGN, make_job, make_samples, planned_test

FILE = ModelFile(name="tiny.onnx", size=1, sha256="a" * 64)
MODEL = ModelRef(name="tiny", precision="FP32", sha256="a" * 64, entry="tiny.onnx", files=(FILE,))
TESTS = (planned_test(MODEL), planned_test(MODEL, scenario=Scenario.ASYNC))
JOBS = tuple(make_job([MODEL], list(TESTS), runs=2, machine=machine) for machine in ("box", "twin"))
BAD = result_name(TESTS[0].id, 0)
"""Of `box`; its other results, and those of `twin`, are what they should be."""


def result(**changes: Any) -> Result:
    fields: dict[str, Any] = {
        "campaign": CAMPAIGN,
        "machine": "box",
        "test": TESTS[0].id,
        "run": 0,
        "model_sha256": MODEL.sha256,
        "status": Status.OK,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "phases": Phases(total_ms=1.0),
        "samples": make_samples([n * 0.5 for n in range(60)], [0.4] * 60),
    }
    return Result(**{**fields, **changes})


def description(machine: str, **changes: Any) -> MachineDescription:
    return MachineDescription(
        machine=machine,
        collected_at=datetime(2026, 1, 1, tzinfo=UTC),
        fingerprint=Fingerprint(architecture="x86_64", cpu_model=f"CPU of {machine}"),
        configuration=Configuration(usable_cores=1, python="3", openvino="2026", fleetmark="1", **changes),
    )


@dataclass
class Rig:
    """A server with a campaign of two machines, of which one may lie."""

    server: Path
    operator: TransferClient
    liar: Account
    store: CampaignStore
    record: CampaignRecord

    def folder(self, machine: str = "box") -> CampaignFolder:
        return CampaignFolder(machine, CAMPAIGN)

    def disk(self, machine: str = "box") -> Path:
        return self.server / self.folder(machine).root.relative_to("/")

    def plant(self, data: bytes, name: str = BAD) -> None:
        """As the machine's disk, or the server's own user, could: past the account's permissions."""
        (self.disk() / "results" / name).write_bytes(data)

    def gather(self) -> list[tuple[str, str, str]]:
        """Collect and publish; machine, file and reason of what was rejected."""
        collect(self.record, self.store, self.operator)
        publish(self.store)
        files = read_rejections(self.store.rejected).files
        return [(file.machine, file.name, file.reason) for file in files]

    def runs(self) -> list[str]:
        """Machine, scenario and number of runs of each row."""
        table = pd.read_csv(self.store.csv)
        return [
            f"{m} {s} {r}" for m, s, r in zip(table["machine"], table["scenario"], table["runs"], strict=True)
        ]

    def page(self, name: str = "index") -> str:
        return (self.store.site / f"{name}.html").read_text()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """All results are there, but for the one of `BAD`."""
    retry = RetryPolicy(attempts=2, first_pause_s=0.01)
    with (
        FtpServer(tmp_path / "server") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR), retry=retry) as operator,
    ):
        store = CampaignStore(tmp_path / "campaign")
        machines = tuple(job.machine for job in JOBS)
        record = CampaignRecord(
            campaign=CAMPAIGN, title="t", lab="l", created_at=JOBS[0].created_at, machines=machines
        )
        store.write_plan(record, JOBS)
        for job in JOBS:
            folder = CampaignFolder(job.machine, CAMPAIGN)
            disk = tmp_path / "server" / folder.results.relative_to("/")
            disk.mkdir(parents=True)
            operator.write(folder.job, job.to_bytes())
            (disk.parent / "machine.json").write_bytes(description(job.machine).to_bytes())
            for entry in job.schedule:
                data = result(machine=job.machine, test=entry.test, run=entry.run).to_gzip()
                (disk / result_name(entry.test, entry.run)).write_bytes(data)
        rig = Rig(tmp_path / "server", operator, server.add_account("box", Role.MACHINE), store, record)
        (rig.disk() / "results" / BAD).unlink()
        yield rig


REST = ["box sync 1", "box async 2", "twin sync 2", "twin async 2"]
"""What is merged in spite of `BAD`."""


def unpacked(**changes: Any) -> bytes:
    """A result whose JSON has other values, whatever the schema says to them."""
    return gzip.compress(json.dumps(json.loads(result().to_bytes()) | changes).encode(), 1)


def bomb(mebibytes: int, head: bytes, body: bytes) -> bytes:
    return gzip.compress(head + body * (mebibytes * (1 << 20) // len(body)), 1)


HEAD = b'{"schema_version": 2, '
CONTENTS = {
    "not gzip": (b"not gzip", "not gzip"),
    "cut short": (result().to_gzip()[:-20], "not gzip"),
    "not JSON": (gzip.compress(b"<html>"), "not JSON"),
    "a bomb of zeros": (
        bomb(300, b"", bytes(1 << 20)),
        "218,103,809 bytes; a result has at most 218,103,808",
    ),
    "huge plain JSON": (bomb(8, HEAD + b'"x": [', b"[],"), "bytes besides packed numbers"),
    "deep": (gzip.compress(HEAD + b'"x": ' + b"[" * 100_000), "not JSON: maximum recursion depth"),
    "a long number": (gzip.compress(HEAD + b'"run": ' + b"9" * 5000 + b"}"), "not JSON: Exceeds the limit"),
    "a list": (gzip.compress(b"[]"), "not a result: no schema_version"),
    "an unknown key": (unpacked(**{"\x1b[2J<b>": 1}), r"<b>: Extra inputs"),
    "infinite": (unpacked(phases={"total_ms": float("inf")}), "not a valid result: phases.total_ms"),
    "another machine's": (
        result(machine="twin").to_gzip(),
        "holds a result of machine twin in campaign tiny",
    ),
    "another campaign's": (
        result(campaign="other").to_gzip(),
        "holds a result of machine box in campaign other",
    ),
    "another run's": (result(run=1).to_gzip(), "holds the result of run 1 of tiny-sync-b1"),
    "another model's": (result(model_sha256="b" * 64).to_gzip(), "is of the model bbbb"),
    "numbers that unpack to more": (
        unpacked(
            samples={
                **json.loads(result().to_bytes())["samples"],
                "start_ns": {
                    "count": 60,
                    "encoding": "values",
                    "width": 1,
                    "base64": base64.b64encode(zlib.compress(bytes(1 << 20))).decode(),
                },
            }
        ),
        "samples.start_ns: Value error, it holds more than the 60 bytes that count and width make",
    ),
    "of a newer agent": (
        unpacked(schema_version=3),
        "version 3, but this program knows versions up to 2. Update fleetmark on the integrator",
    ),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_broken_result_is_rejected_and_the_rest_is_merged(rig: Rig, kind: str) -> None:
    data, reason = CONTENTS[kind]
    rig.plant(data)
    ((machine, name, said),) = rig.gather()
    assert (machine, name) == ("box", BAD)
    assert reason in said
    assert said.isprintable()
    assert rig.runs() == REST
    assert summary(rig.store.rejected) == (
        f"1 file that machines sent was rejected (box 1); the rest was merged. Why: {rig.store.rejected}"
    )
    page = rig.page()
    assert BAD in page
    assert html.escape(said, quote=True).replace("&#x27;", "&#39;") in page
    assert "\x1b" not in page


class TestOnTheServer:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            (result_name("never-planned", 0), "is not the result of a planned run"),
            (result_name(TESTS[0].id, 7), "is not the result of a planned run"),
            ("<script>alert(1)<%2fscript>.0.json.gz", "is not the name of a result"),
            ("tiny-sync-b1.00.json.gz", "is not the name of a result"),
            (".hidden", "is not the name of a result"),
            ("ü\u202egz.nosj", "is not the name of a result"),
        ],
    )
    def test_names_that_nobody_planned_are_not_fetched(self, rig: Rig, name: str, reason: str) -> None:
        rig.plant(result().to_gzip(), name)
        rejected = rig.gather()
        assert rejected == [("box", name.encode("unicode_escape").decode(), reason)]
        assert not (rig.store.result_folder("box") / name).exists()
        assert rig.runs() == REST
        assert "<script>alert" not in rig.page()

    def test_oversized_files_are_not_fetched(self, rig: Rig) -> None:
        """A sparse file: no disk is filled, and its hash is that of many zeros."""
        for path, size in (
            (rig.disk() / "results" / BAD, Result.max_bytes),
            (rig.disk() / "machine.json", 4 << 20),
        ):
            with path.open("wb") as file:
                file.truncate(size + 1)
        rejected = rig.gather()
        assert [(machine, name) for machine, name, _ in rejected] == [("box", "machine.json"), ("box", BAD)]
        assert all(re.search(r": [\d,]+ bytes; at most [\d,]+ are read", reason) for *_, reason in rejected)
        assert not list(rig.store.result_folder("box").glob(BAD))
        assert rig.runs() == REST

    def test_links_are_not_followed(self, rig: Rig, tmp_path: Path) -> None:
        """Into another machine's folder, and out of the server's."""
        secret = tmp_path / "secret"
        secret.write_text("root:x:0:0")
        (rig.disk() / "results" / BAD).symlink_to(rig.disk("twin") / "results" / BAD)
        (rig.disk() / "machine.json").unlink()
        (rig.disk() / "machine.json").symlink_to(secret)
        rejected = rig.gather()
        assert [(machine, name) for machine, name, _ in rejected] == [("box", "machine.json"), ("box", BAD)]
        assert rig.runs() == REST
        assert "root:x" not in "".join(path.read_text() for path in rig.store.site.glob("*.html"))

    def test_a_folder_that_is_a_link_is_not_followed(self, rig: Rig) -> None:
        (rig.disk() / "results").rename(rig.disk() / "elsewhere")
        (rig.disk() / "results").symlink_to(rig.disk() / "elsewhere")
        rejected = rig.gather()
        assert ("box", "results") in [(machine, name) for machine, name, _ in rejected]
        assert rig.runs() == ["box sync 0", "box async 0", "twin sync 2", "twin async 2"]

    def test_a_second_content_does_not_replace_the_first(self, rig: Rig) -> None:
        rig.plant(result().to_gzip())
        assert rig.gather() == []
        first = (rig.store.result_folder("box") / BAD).read_bytes()
        rig.plant(result(started_at=datetime(2026, 1, 2, tzinfo=UTC)).to_gzip())
        ((_, name, reason),) = rig.gather()
        assert (name, reason) == (BAD, "has another content than the one that was collected, which stays")
        assert (rig.store.result_folder("box") / BAD).read_bytes() == first
        assert rig.runs() == ["box sync 2", *REST[1:]]

    def test_collecting_again_takes_nothing_twice(self, rig: Rig) -> None:
        assert collect(rig.record, rig.store, rig.operator) == 7
        publish(rig.store)
        table = rig.store.csv.read_bytes()
        assert collect(rig.record, rig.store, rig.operator) == 0
        rig.plant(result().to_gzip())
        assert collect(rig.record, rig.store, rig.operator) == 1
        publish(rig.store)
        assert rig.runs() == ["box sync 2", *REST[1:]]
        (rig.store.result_folder("box") / BAD).unlink()
        publish(rig.store)
        assert rig.store.csv.read_bytes() == table

    def test_the_account_itself_cannot_do_any_of_it(self, rig: Rig) -> None:
        rig.plant(result().to_gzip())
        folder = rig.folder()
        with TransferClient(rig.liar) as client:
            for path in (
                folder.result("never", 0).with_name("x.exe"),
                folder.results / "deep" / BAD,
                rig.folder("twin").result(TESTS[0].id, 0),
                folder.job,
                folder.result(TESTS[0].id, 0),
            ):
                with pytest.raises(RefusedTransferError):
                    client.write(path, b"x")
        assert rig.gather() == []

    def test_a_machine_cannot_hide_the_others_behind_a_thousand_files(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        for number in range(1000):
            rig.plant(b"", f"junk-{number}")
        with caplog.at_level(logging.WARNING, "fleetmark.store"):
            collect(rig.record, rig.store, rig.operator)
        said = [record.getMessage() for record in caplog.records if record.name == "fleetmark.store"]
        assert len(said) == 11
        assert said[-1] == "rejected: box: more than 10 files"
        kept = read_rejections(rig.store.rejected)
        assert (len(kept.files), kept.more) == (100, {"server": 900})
        publish(rig.store)
        assert rig.runs() == REST
        assert "900 more are not listed here" in rig.page()
        assert summary(rig.store.rejected).startswith(
            "100 files that machines sent were rejected (box 100, and 900 more)"
        )

    def test_a_server_that_is_gone_is_no_fault_of_a_file(self, rig: Rig, tmp_path: Path) -> None:
        with FtpServer(tmp_path / "gone") as gone:
            account = gone.add_account("integrator", Role.INTEGRATOR)
        retry = RetryPolicy(attempts=1)
        with TransferClient(account, retry=retry) as client, pytest.raises(TransientTransferError):
            collect(rig.record, rig.store, client)
        assert not rig.store.rejected.exists()


class TestMachines:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (description("twin").to_bytes(), "describes machine twin"),
            (
                b'{"schema_version": 2}',
                "machine of schema version 2, but .* up to 1. Update fleetmark on the integrator: ",
            ),
            (b"[" * 10_000, "not JSON"),
        ],
    )
    def test_a_description_that_is_none_is_rejected(self, rig: Rig, data: bytes, reason: str) -> None:
        (rig.disk() / "machine.json").write_bytes(data)
        ((machine, name, said),) = rig.gather()
        assert (machine, name) == ("box", "machine.json")
        assert re.search(reason, said)
        assert "CPU of box" not in rig.page("machines/box") + rig.page("machines")
        assert "CPU of twin" in rig.page("machines/twin")
        assert rig.runs() == REST

    def test_what_a_machine_says_of_itself_is_escaped_and_bounded(self, rig: Rig) -> None:
        said = {f"OMP_{n}": "<img src=x onerror=alert(1)>" for n in range(5000)}
        long = description("box", environment=said, kernel="k" * 1_000_000)
        (rig.disk() / "machine.json").write_bytes(long.to_bytes())
        assert rig.gather() == []
        page = rig.page("machines/box")
        assert "<img" not in page
        assert "and 4900 more" in page
        assert len(page) < 200_000


class TestInTheFolder:
    def test_what_was_put_between_the_results_is_rejected(self, rig: Rig, tmp_path: Path) -> None:
        rig.gather()
        folder = rig.store.result_folder("box")
        (folder / BAD).symlink_to(rig.store.result_folder("twin") / BAD)
        (folder / "sub").mkdir()
        os.mkfifo(folder / result_name(TESTS[1].id, 9))
        publish(rig.store)
        found = {file.name: file.reason for file in read_rejections(rig.store.rejected).files}
        assert found == {
            BAD: "is a symbolic link",
            "sub": "is not the name of a result",
            result_name(TESTS[1].id, 9): "is not the result of a planned run",
        }
        assert rig.runs() == REST

    def test_what_is_put_right_is_forgotten(self, rig: Rig) -> None:
        rig.plant(b"not gzip")
        assert len(rig.gather()) == 1
        (rig.store.result_folder("box") / BAD).write_bytes(result().to_gzip())
        rig.plant(result().to_gzip())
        assert rig.gather() == []
        assert not rig.store.rejected.exists()
        assert "Rejected files" not in rig.page()

    def test_the_command_says_it_at_its_end(self, rig: Rig) -> None:
        rig.plant(b"not gzip")
        collect(rig.record, rig.store, rig.operator)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from integrator.cli import main; main()",
                "publish",
                str(rig.store.folder),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"rejected: box: {BAD}: not gzip" in done.stderr
        assert "1 file that machines sent was rejected (box 1)" in done.stderr
        assert done.stdout == ""
