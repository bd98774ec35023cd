"""The files under data/ of every odd campaign: they parse, agree with each other, and are harmless."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from integrator.site.build import build_site
from integrator.site.source import CampaignResults
from tests.site import edges

CAMPAIGNS: Mapping[str, list[CampaignResults]] = {
    **{name: list(campaigns) for name, campaigns in edges.edges().items()},
    "hostile": [edges.hostile()],
}


@pytest.fixture(params=CAMPAIGNS)
def built(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[CampaignResults]]:
    campaigns = CAMPAIGNS[request.param]
    return build_site(tmp_path / "site", campaigns).parent, campaigns


def strictly(text: str) -> object:
    """JSON without the words that only Python takes for numbers."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_data_files_parse_and_agree(built: tuple[Path, list[CampaignResults]]) -> None:
    site, campaigns = built
    data = site / "data"
    files = [file for file in data.rglob("*") if file.is_file() and file.suffix in {".json", ".csv"}]
    assert files
    for file in files:
        text = file.read_bytes().decode("utf-8")
        if file.suffix == ".json":
            strictly(text)
            continue
        rows = list(csv.reader(io.StringIO(text), strict=True))
        assert len({len(row) for row in rows if row}) <= 1, file
        for row in rows[1:]:
            assert not [cell for cell in row if cell[:1] in {"=", "+", "@", "\t", "\r"}], file
    for campaign in campaigns:
        folder = data / campaign.facts.id
        results = json.loads((folder / "results.json").read_text())
        assert len(results["rows"]) == len(campaign.table)
        runs = csv.DictReader(io.StringIO((folder / "runs.csv").read_text("utf-8")))
        assert len(list(runs)) == len(campaign.runs)
    newest = max(campaigns, key=lambda each: each.facts.created_at).facts.id
    for name in ("results.csv", "results.json"):
        assert (data / name).read_bytes() == (data / newest / name).read_bytes()


def test_every_data_file_has_its_hash(built: tuple[Path, list[CampaignResults]]) -> None:
    data = built[0] / "data"
    listed = {}
    for line in (data / "SHA256SUMS").read_text("utf-8").splitlines():
        digest, name = line.split(maxsplit=1)
        listed[name.lstrip("*")] = digest
    there = {
        str(file.relative_to(data)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in data.rglob("*")
        if file.is_file() and file.name != "SHA256SUMS"
    }
    assert listed == there


def test_the_feed_is_xml(built: tuple[Path, list[CampaignResults]]) -> None:
    site, campaigns = built
    feed = ET.fromstring((site / "feed.xml").read_bytes())
    entries = feed.findall("{http://www.w3.org/2005/Atom}entry")
    assert len(entries) == len(campaigns)
