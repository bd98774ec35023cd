"""The explorer with texts that mean ill, with little data, on a phone, without scripts; and its size."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from integrator.site.pages import explore
from integrator.site.source import CampaignResults
from tests.site.browser import resize, scripts
from tests.site.explorer import Browser, Built, build, click, column, download, open_page, option, part, shown
from tests.site.synthetic import lab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("explore")
    site = build(folder, lab(machines=6, models=5, rows=720), lab(machines=5, models=5, rows=100, campaign=1))
    return (folder / "explore.html").as_uri(), site.frame


def with_table(results: CampaignResults, change: Callable[[pd.DataFrame], pd.DataFrame]) -> CampaignResults:
    return replace(results, table=change(results.table.copy()))


HOSTILE = [
    "<script>document.title = 'taken'</script>",
    "</script><img src=x onerror=\"document.title='taken'\">",
    "=cmd|' /C calc'!A0",
    "\u202eright to left\u2066",
    "quotes \" ' ` & &amp;",
    "a,b\\c+-",
    "long " + "x" * 10_000,
]


def hostile(table: pd.DataFrame) -> pd.DataFrame:
    names = dict(zip(table["model"].unique(), HOSTILE, strict=False))
    table["model"] = table["model"].map(names)
    bad = table["status"] != "ok"
    table.loc[bad, "reason"] = [HOSTILE[n % len(HOSTILE)] for n in range(bad.sum())]
    return table


def test_hostile_texts_are_texts(window: Browser, tmp_path: Path, downloads: Path) -> None:
    (tmp_path / "site").mkdir()
    site = build(tmp_path / "site", with_table(lab(machines=3, models=7, rows=420), hostile))
    address = (tmp_path / "site" / "explore.html").as_uri()
    for view in ("", "#view=pivot", "#view=pivot&rows=status&cols=model&base=none", "#q=%3Cscript%3E"):
        open_page(window, address + view)
        assert "taken" not in window.title
        assert window.find_elements(By.CSS_SELECTOR, "#explore img, #explore script") == []
    open_page(window, address)
    click(window, option(window, "model", HOSTILE[5]))
    assert shown(window) == (site.frame["model"] == HOSTILE[5]).sum()
    assert set(column(window, "model")) == {HOSTILE[5]}
    url = window.current_url
    open_page(window, url)
    assert set(column(window, "model")) == {HOSTILE[5]}
    open_page(window, address + "#columns=%2Bmodel,reason")
    lines = list(csv.reader(io.StringIO(download(window, downloads, "csv"))))
    assert {line[0] for line in lines[1:]} == {
        f"'{text}" if text.startswith("=") else text for text in HOSTILE
    }
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)


def nothing(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:0]


def one(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:1]


def failures(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] != "ok"]


def no_latency(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(latency_ms=None, latency_low_ms=None, latency_high_ms=None)


@pytest.mark.parametrize("change", [nothing, one, failures, no_latency])
def test_little_data_still_makes_sense(
    window: Browser, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    site = build(tmp_path, with_table(lab(machines=3, models=3, rows=300), change))
    for view in ("", "#view=pivot", "#view=pivot&measure=latency_ms&agg=geomean", "#sort=-latency_ms"):
        open_page(window, (tmp_path / "explore.html").as_uri() + view)
        assert shown(window) == len(site.frame)
        if site.frame.empty:
            assert "No row has all of this." in window.find_element(By.CLASS_NAME, "results").text


def test_on_a_phone_nothing_moves_sideways(window: Browser, small: Built) -> None:
    address, _ = small
    resize(window, 390)
    for view in (
        "",
        "#view=pivot",
        "#machine=%2Bnuc-13&q=resnet&view=pivot&cols=machine,device,precision,scenario",
    ):
        open_page(window, address + view)
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390, view
        assert part(window, "filter-panel").get_attribute("open") is None
    part(window, "filter-panel").find_element(By.TAG_NAME, "summary").click()
    assert option(window, "scenario", "sync").is_displayed()
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390
    open_page(window, address)
    part(window, "column-menu").click()
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390


def test_scripts_off(window: Browser, small: Built) -> None:
    address, frame = small
    scripts(window, on=False)
    window.get(address)
    rows = window.find_elements(By.CSS_SELECTOR, "table.rows tbody tr")
    assert len(rows) == explore.STATIC_ROWS
    assert str(rows[0].find_element(By.TAG_NAME, "a").get_attribute("href")).endswith(frame["href"].iloc[0])
    links = [link.text for link in window.find_elements(By.CSS_SELECTOR, "p.notice a")]
    assert links[:-1] == list(frame["machine"].unique())
    assert not window.find_element(By.ID, "explore").is_displayed()


def test_rows_that_are_missing_are_told(window: Browser, tmp_path: Path, tolerated: list[str]) -> None:
    tolerated += ["assets/rows", "is missing from this copy"]
    build(tmp_path, lab(machines=2, models=2, rows=20))
    for file in (tmp_path / "assets" / "rows").iterdir():
        file.unlink()
    window.get((tmp_path / "explore.html").as_uri())
    WebDriverWait(window, 10).until(lambda each: each.find_element(By.ID, "explore-error").is_displayed())
    told = window.find_element(By.ID, "explore-error").text
    assert "is missing from this copy of the site" in told
    assert "edge-n100" in told


def test_size(small: Built, tmp_path: Path) -> None:
    """Budgets that do not depend on time, at 100,000 rows."""
    build(tmp_path, lab(machines=25, models=50, rows=100_000))

    def size(files: Sequence[Path]) -> int:
        return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)

    assets = tmp_path / "assets"
    rows = sorted((assets / "rows").iterdir())
    assert max(size([file]) for file in rows) < 4_000_000
    assert size([*(assets / "js").iterdir(), assets / "vendor" / "datatables.js"]) < 500_000
    assert size([tmp_path / "explore.html"]) < 60_000
