"""The site of several campaigns, out of recorded ones."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

import integrator.publish as publishing
from integrator.campaign_results import campaign_results
from integrator.cli import app
from integrator.offers import MachineOffer
from integrator.publish import publish
from integrator.rejected import Rejections
from integrator.site.build import build_site
from integrator.site.page import Site
from integrator.site.source import CampaignResults, Offer
from integrator.store import CampaignStore
from protocol.errors import UserError

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
NEWEST_FIRST = ("version-2", "packed", "plain-conditions", "plain")
Copy = Callable[[str], CampaignStore]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return lambda name: CampaignStore(Path(shutil.copytree(RECORDED / name, tmp_path / name)))


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(store: CampaignStore) -> CampaignResults:
    return campaign_results(store, Rejections("folder"))


def test_recorded_campaigns_are_one_history(copy: Copy) -> None:
    site = Site(tuple(read(copy(name)) for name in NEWEST_FIRST))
    timeline = site.timeline
    assert [each.id for each in timeline.campaigns] == [each.facts.id for each in site.campaigns[::-1]]
    ok = timeline.status[:, -1] == "ok"
    assert timeline.before[ok][:, 1:].min() >= 0
    # Two runs of each: too few for an interval, so nothing is said to have changed.
    assert not timeline.certain("latency_ms").any()


def test_the_folders_behind_stay_as_they_are(copy: Copy) -> None:
    newest, *behind = (copy(name) for name in NEWEST_FIRST)
    before = [content(each.folder) for each in behind]
    table = publish(newest, behind=behind)
    assert [content(each.folder) for each in behind] == before
    assert set(table["campaign"]) == {newest.read_record().campaign}
    page = (newest.site / "history.html").read_text()
    known = json.loads(page.split('id="known">')[1].split("</script>")[0])
    assert [each["id"] for each in known["campaigns"]] == [
        each.read_record().campaign for each in (newest, *behind)
    ][::-1]
    # The hardware of `box` is another in the newest.
    assert "Other hardware under the same name" in page
    for each in (newest, *behind):
        assert (newest.site / "data" / "raw" / each.read_record().campaign / "box").is_dir()


def test_the_newest_is_what_the_site_is_about(copy: Copy) -> None:
    older, newest = copy("plain"), copy("version-2")
    table = publish(older, behind=[newest])
    assert set(table["campaign"]) == {older.read_record().campaign}
    shown = json.loads((older.site / "data" / "results.json").read_text())
    assert shown["campaign"]["id"] == newest.read_record().campaign


def test_the_same_campaign_twice(copy: Copy, tmp_path: Path) -> None:
    store = copy("plain")
    again = CampaignStore(Path(shutil.copytree(store.folder, tmp_path / "again")))
    with pytest.raises(UserError, match=re.escape(f"{again.folder}: the same campaign as in {store.folder}")):
        publish(store, behind=[again])
    assert not store.site.exists()


def test_a_folder_without_a_campaign(copy: Copy, tmp_path: Path) -> None:
    store = copy("plain")
    with pytest.raises(UserError, match="nothing: no campaign lies here"):
        publish(store, behind=[CampaignStore(tmp_path / "nothing")])
    assert not store.site.exists()


class TestOffers:
    def test_the_record_counts_and_a_lab_of_today_more(self, copy: Copy) -> None:
        store = copy("plain")
        record = store.read_record().model_copy(
            update={
                "offers": {"box": MachineOffer(price=500, currency="EUR", priced_on=date(2026, 1, 2))},
                "tasks": {"tiny": "counting", "none": None},
            }
        )
        store.write_record(record)
        assert read(store).offers == {"box": Offer(500, "EUR", date(2026, 1, 2))}
        assert read(store).tasks == {"tiny": "counting"}
        today = {"box": MachineOffer(price=400, currency="EUR", watts=15), "other": MachineOffer(watts=1)}
        found = campaign_results(store, Rejections("folder"), offers=today)
        assert found.offers == {"box": Offer(400, "EUR", watts=15)}

    def test_the_command_takes_both(
        self, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newest, older = copy("version-2"), copy("plain")
        lab = tmp_path / "lab.yaml"
        lab.write_text(
            "schema_version: 1\nname: lab\nmachines: [{name: box, price: 9, currency: USD, watts: 3}]\n"
        )
        built: list[CampaignResults] = []

        def watched(target: Path, campaigns: list[CampaignResults]) -> Path:
            built.extend(campaigns)
            return build_site(target, campaigns)

        monkeypatch.setattr(publishing, "build_site", watched)
        given = ["publish", str(newest.folder), "--with", str(older.folder), "--lab", str(lab)]
        result = CliRunner().invoke(app, given)
        assert result.exit_code == 0, result.output
        assert [each.offers for each in built] == [{"box": Offer(9, "USD", watts=3)}] * 2
        assert newest.read_record().offers == {}


def test_a_built_in_model_of_an_old_record_has_its_task(copy: Copy) -> None:
    store = copy("plain")
    job = store.job_file("box")
    job.write_text(job.read_text().replace('"tiny"', '"resnet-50"'))
    assert read(store).tasks.get("resnet-50") == "image classification"
