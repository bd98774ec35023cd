"""Documents of older versions, as older programs wrote them; and the rule that a new shape has a new number.

python tests/unit/test_versions.py     records the current shapes; for a version that was never on main
"""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import pkgutil
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

import agent
import ftp_server
import integrator
import protocol
from integrator.publish import publish
from integrator.rejected import Rejections, read_rejections
from integrator.store import CampaignStore
from protocol.documents import Document
from protocol.errors import DocumentError, NewerDocumentError
from protocol.job import Job
from protocol.machine import MachineDescription
from protocol.result import Result, Status
from protocol.status import Heartbeat

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
SHAPES = RECORDED / "shapes"
CAMPAIGNS = ("plain", "plain-conditions", "packed", "version-2")
NAMES = ("title", "description")


def documents() -> list[type[Document]]:
    """Every document of the four programs."""
    for package in (agent, ftp_server, integrator, protocol):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" not in module.name and ".worker." not in module.name:
                importlib.import_module(module.name)
    return sorted(
        (found for found in Document.__subclasses__() if not found.__module__.startswith("tests")),
        key=lambda found: found.kind,
    )


DOCUMENTS = documents()


def shape(document: type[Document]) -> Any:
    """What the document may hold, without the words that explain it."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in NAMES or not isinstance(v, str)}
        return [bare(each) for each in value] if isinstance(value, list) else value

    return bare(document.model_json_schema())


def shape_file(document: type[Document]) -> Path:
    return SHAPES / f"{document.kind.replace(' ', '-')}.{document.current_version}.json"


def raw(campaign: str, name: str) -> dict[str, Any]:
    """A recorded document, before any migration."""
    data = (RECORDED / campaign / name).read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(data) if name.endswith(".gz") else data)
    return found


def result_files(campaign: str) -> list[str]:
    folder = RECORDED / campaign
    return sorted(str(path.relative_to(folder)) for path in folder.glob("raw/box/*.gz"))


def result(campaign: str, **changes: Any) -> bytes:
    """A recorded result of the CPU, with something in its samples changed."""
    document = raw(campaign, next(name for name in result_files(campaign) if "cpu-sync" in name))
    return json.dumps(document | {"samples": document["samples"] | changes}).encode()


class TestRules:
    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
    def test_every_older_version_has_a_step(self, document: type[Document]) -> None:
        assert sorted(document.steps) == list(range(1, document.current_version))
        version = document.model_fields["schema_version"]
        assert version.default == document.current_version
        if document.current_version > 1:
            assert get_args(version.annotation) == (document.current_version,)

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
    def test_a_new_shape_has_a_new_number(self, document: type[Document]) -> None:
        file = shape_file(document)
        assert file.is_file(), f"{document.kind} {document.current_version}: python {__file__} records it"
        assert shape(document) == json.loads(file.read_text()), (
            f"{document.kind}: what it may hold has changed, and programs are out that know version "
            f"{document.current_version} as it was. Raise current_version, register a step, record a file of "
            f"the old shape with a test, note it in docs/formats.md; then: python {__file__}"
        )

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.kind)
    def test_newer_ones_are_refused_by_name(self, document: type[Document]) -> None:
        newer = document.current_version + 1
        words = rf"^x: {document.kind} of schema version {newer}, but .* up to {document.current_version}$"
        with pytest.raises(NewerDocumentError, match=words) as caught:
            document.from_bytes(json.dumps({"schema_version": newer, "news": 1}).encode(), source="x")
        assert caught.value.advice == "Update fleetmark on this side."

    @pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None])
    def test_what_is_no_version_is_refused(self, version: object) -> None:
        for document in (Result, MachineDescription):
            with pytest.raises(DocumentError, match="no schema_version"):
                document.from_bytes(json.dumps({"schema_version": version}).encode(), source="x")


class TestResultFrom1To2:
    @pytest.mark.parametrize("campaign", ["plain", "plain-conditions"])
    def test_plain_numbers_are_packed(self, campaign: str) -> None:
        measured = 0
        for name in result_files(campaign):
            before = raw(campaign, name)
            assert before["schema_version"] == 1
            after = Result.from_bytes(json.dumps(before).encode(), source=name)
            assert after.schema_version == 2
            assert (after.test, after.run, after.status) == (before["test"], before["run"], before["status"])
            if after.samples is None:
                assert before["samples"] is None
                continue
            measured += 1
            for key, packed in (
                ("start_ns", after.samples.start_ns),
                ("latency_ns", after.samples.latency_ns),
            ):
                plain = np.frombuffer(base64.b64decode(before["samples"][key]["base64"]), dtype="<u8")
                assert np.array_equal(plain, packed.values)
            assert after.samples.wall_ns == before["samples"]["wall_ns"]
            assert (after.samples.segments, after.samples.stopped, after.samples.harness_ns) == (
                1,
                None,
                None,
            )
        assert measured == 4

    def test_packed_numbers_stay(self) -> None:
        for name in result_files("packed"):
            before = raw("packed", name)
            after = json.loads(Result.from_bytes(json.dumps(before).encode(), source=name).to_bytes())
            assert after["samples"] == before["samples"]
            assert after == before | {"schema_version": 2}

    def test_a_run_whose_clock_was_set_is_refused(self) -> None:
        """Version 1 called it invalid; its latencies are those of a clock that jumped."""
        wall_ns = json.loads(result("plain"))["samples"]["wall_ns"]
        assert Result.from_bytes(result("plain", clock_step_ns=-wall_ns // 1100), source="x").samples
        with pytest.raises(
            DocumentError, match=r"version 1: the system's clock, .* was set while it measured"
        ):
            Result.from_bytes(result("plain", clock_step_ns=-wall_ns // 900), source="x")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"clock_step_ns": None}, "samples.clock_step_ns is no whole number"),
            ({"wall_ns": True}, "samples.wall_ns is no whole number"),
            ({"start_ns": 7}, "samples hold no numbers in base64"),
            ({"start_ns": {"count": 1, "base64": "AAAA"}}, "3 bytes are not as many"),
            ({"start_ns": {"count": 2, "base64": "AAAAAAAAAAA="}}, "8 bytes are not as many"),
            ({"start_ns": {"count": 1, "base64": "AAAAAAAAAAA="}}, "1 starts and 60 latencies"),
            ({"start_ns": {"count": 1, "base64": "€"}}, "ASCII"),
        ],
    )
    def test_what_is_broken_is_refused_in_words(self, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(DocumentError, match=f"^x: not a valid result of version 1: .*{words}"):
            Result.from_bytes(result("plain", **changes), source="x")


class TestJob:
    @pytest.mark.parametrize("campaign", ["plain", "plain-conditions"])
    def test_runs_measure_for_their_time_as_they_did(self, campaign: str) -> None:
        before = raw(campaign, "jobs/box.json")
        assert "interval_target" not in before["measure"]
        job = Job.from_bytes(json.dumps(before).encode(), source="job")
        assert (job.schema_version, job.measure.interval_target) == (3, None)
        assert job.measure.duration_s == before["measure"]["duration_s"]

    def test_a_target_stays(self) -> None:
        before = raw("packed", "jobs/box.json")
        job = Job.from_bytes(json.dumps(before).encode(), source="job")
        assert job.measure.interval_target == before["measure"]["interval_target"] == 0.01

    @pytest.mark.parametrize("campaign", CAMPAIGNS)
    def test_no_test_asked_for_a_release(self, campaign: str) -> None:
        before = raw(campaign, "jobs/box.json")
        assert before["schema_version"] == (2 if campaign == "version-2" else 1)
        job = Job.from_bytes(json.dumps(before).encode(), source="job")
        assert [test.openvino for test in job.tests] == ["auto"] * 4
        assert [test.id for test in job.tests] == [test["id"] for test in before["tests"]]

    def test_what_is_broken_is_refused(self) -> None:
        with pytest.raises(DocumentError, match="not a valid job: measure"):
            Job.from_bytes(json.dumps(raw("plain", "jobs/box.json") | {"measure": [1]}).encode(), source="x")


def test_a_heartbeat_of_version_1_stays() -> None:
    before = raw("version-2", "status.json")
    assert before["schema_version"] == 1
    after = Heartbeat.from_bytes(json.dumps(before).encode(), source="status")
    assert json.loads(after.to_bytes()) == before | {"schema_version": 2}


@pytest.mark.parametrize("campaign", CAMPAIGNS)
class TestCampaigns:
    def test_nobody_noted_tasks_and_prices(self, campaign: str) -> None:
        before = raw(campaign, "campaign.json")
        assert before["schema_version"] == 1
        record = CampaignStore(RECORDED / campaign).read_record()
        assert (record.schema_version, record.tasks, record.offers) == (2, {}, {})
        after = json.loads(record.to_bytes())
        assert after == before | {"schema_version": 2, "tasks": {}, "offers": {}}

    def test_a_recorded_campaign_is_published_as_it_was(self, campaign: str, tmp_path: Path) -> None:
        """The numbers are those that the program of its time computed; nothing is left out."""
        store = CampaignStore(Path(shutil.copytree(RECORDED / campaign, tmp_path / "campaign")))
        was = pd.read_csv(store.csv)
        publish(store)
        now = pd.read_csv(store.csv)
        assert not read_rejections(store.rejected).files
        columns = ["test_id", "status", "reason", "runs", "iterations", "latency_ms", "fps", "throughput_fps"]
        pd.testing.assert_frame_equal(now[columns], was[columns])
        assert list(now["status"]) == ["ok", "ok", "unsupported", "unsupported"]

    def test_the_machine_is_known(self, campaign: str) -> None:
        store = CampaignStore(RECORDED / campaign)
        found = store.read_machines(store.read_record(), Rejections("folder"))
        assert found["box"].fingerprint.cpu_model

    def test_what_a_newer_agent_sent_is_left_out_and_the_rest_is_merged(
        self, campaign: str, tmp_path: Path
    ) -> None:
        store = CampaignStore(Path(shutil.copytree(RECORDED / campaign, tmp_path / "campaign")))
        name = next(name for name in result_files(campaign) if "cpu-sync" in name)
        newer = raw(campaign, name) | {"schema_version": 99, "what_nobody_knows": 1}
        (store.folder / name).write_bytes(gzip.compress(json.dumps(newer).encode()))
        table = publish(store)
        (rejection,) = read_rejections(store.rejected).files
        assert rejection.name == Path(name).name
        assert rejection.reason.endswith(
            "result of schema version 99, but this program knows versions up to 2. "
            "Update fleetmark on the integrator: the agent of box is newer."
        )
        assert table["runs"].tolist() == [1, 2, 0, 0]
        assert table["status"].tolist()[:2] == [Status.OK, Status.OK]


if __name__ == "__main__":
    SHAPES.mkdir(exist_ok=True)
    for each in DOCUMENTS:
        shape_file(each).write_text(json.dumps(shape(each), indent=1, sort_keys=True) + "\n")
