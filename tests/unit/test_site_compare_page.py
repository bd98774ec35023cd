"""The page of comparisons as it is without scripts, and the scripts that it brings."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from integrator.site.compare.matrix import Pair
from integrator.site.compare.scripts import files, rule
from integrator.site.page import Site
from integrator.site.pages.compare import cell_of, pages
from integrator.site.source import RUN_COLUMNS, CampaignFacts, CampaignResults
from integrator.statistics.compare import compare, student
from integrator.statistics.interval import Interval
from tests.unit.test_site_compare import SETTING, row
from tests.unit.test_site_differences import machine


def campaign(*rows: dict[str, object], runs: int = 5, **machines: object) -> CampaignResults:
    facts = CampaignFacts("c", "The campaign", datetime(2026, 1, 1, tzinfo=UTC), complete=True)
    each = [
        (values["machine"], values["test_id"], run, "ok", 1.0, 1000.0)
        for values in rows
        for run in range(runs)
    ]
    return CampaignResults(
        facts=facts,
        table=pd.DataFrame(list(rows)),
        runs=pd.DataFrame(each, columns=list(RUN_COLUMNS)),
        machines=machines,  # type: ignore[arg-type]
    )


def scripts(site: Site) -> dict[str, dict[str, object]]:
    """What each script leaves in `fleetmark.shards`."""
    return {
        path: json.loads(content.decode().partition("]=")[2].rstrip(";\n")) for path, content in files(site)
    }


def test_ranks_and_what_is_missing() -> None:
    shipped = rule([3, 4, 6], 2)
    assert shipped["ranks"] == {
        "0,0": -4,
        "0,3": -3,
        "0,4": -3,
        "0,6": -2,
        "3,3": -1,
        "3,4": -1,
        "3,6": 2,
        "4,4": 1,
        "4,6": 3,
        "6,6": 6,
    }
    assert compare([1, 2, 3], [1, 2, 3]).reason == "needs 1 more run of each"
    assert shipped["student"] == [student(1), student(2)]
    assert (shipped["band"], shipped["percent"], shipped["confidence"]) == (0.02, "2", 0.95)


def test_the_scripts_name_slices_and_facts() -> None:
    tests = [
        row("a", replace(SETTING, openvino=release), openvino_version=f"{release}.0-77-x")
        for release in ("2025.4", "2026.1")
    ]
    site = Site((campaign(*tests, row("b", SETTING), runs=6, a=machine({"turbo": "no file"}, kernel="6.1")),))
    made = scripts(site)
    compared = made["assets/compare.js"]
    assert compared["slices"] == {
        "c": {"a": {"2025.4": ["2025.4.0"], "2026.1": ["2026.1.0"]}, "b": {"auto": []}}
    }
    assert set(compared["configurations"].values()) == {SETTING.test_id()}  # type: ignore[attr-defined]
    assert set(compared["rule"]["ranks"]) == {"0,0", "0,6", "6,6"}  # type: ignore[index]
    shipped = made["assets/machines.js"]
    place = [fact["label"] for fact in shipped["facts"]]  # type: ignore[attr-defined]
    facts = shipped["of"]["c"]["a"]  # type: ignore[index]
    assert shipped["texts"][facts[place.index("kernel")]] == "6.1"  # type: ignore[index]
    assert shipped["reasons"][-1 - facts[place.index("turbo")]] == "no file"  # type: ignore[index]


@pytest.mark.parametrize(
    ("ratio", "ends", "sign", "colour"),
    [
        (1.05, (1.04, 1.06), "▲", "fast-1"),
        (0.5, (0.4, 0.6), "▼", "slow-3"),
        (4.0, (3.0, 5.0), "▲", "fast-4"),
        (4.0, (0.9, 20.0), "?", ""),
        (1.01, (1.005, 1.015), "≈", ""),
        (4.0, None, "?", ""),
    ],
)
def test_a_cell_of_the_matrix(ratio: float, ends: tuple[float, float] | None, sign: str, colour: str) -> None:
    pair = Pair(ratio, Interval(*ends) if ends else None, known=6, of=9, models=3, differs=())
    cell = cell_of(pair, "one", "other name")
    assert (cell.sign, cell.colour, cell.coverage, cell.hatched) == (sign, colour, "6/9", "")
    assert cell.href == "compare.html#a=other+name&b=one"
    assert "6 of 9 configurations, 3 models" in cell.title
    assert ("no interval" in cell.title) == (ends is None)


def test_a_cell_with_nothing_in_common() -> None:
    cell = cell_of(Pair(None, None, known=0, of=4, models=0, differs=()), "one", "other")
    assert (cell.text, cell.colour, cell.coverage) == ("", "", "0/4")
    assert "nothing in common" in cell.title


def test_the_page_of_few_machines_is_there() -> None:
    for tests in ([], [row("a")], [row("a"), row("b", fps=200.0)]):
        (page,) = pages(Site((campaign(*tests),)))
        assert len(page.context["matrix"]) == len(tests)  # type: ignore[arg-type]
    assert page.context["matrix"][1]["cells"][0].text == "2.00"  # type: ignore[index]
