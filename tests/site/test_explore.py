"""The explorer in a browser, from a folder: what is shown is what the table holds."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from integrator.resources import find
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION, explore
from integrator.site.render import Renderer
from integrator.site.source import CampaignResults
from integrator.site.store import manifest
from integrator.site.vendor import vendored_assets

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
Browser = webdriver.Chrome


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"fleetmark_explore_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


lab: Callable[..., CampaignResults] = _load("synthetic").lab


def build(folder: Path, *campaigns: CampaignResults) -> Site:
    """The explorer alone: what it needs and nothing else."""
    site = Site(campaigns)
    for path, content in (*manifest.assets(site), *vendored_assets(["datatables"])):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for kind in ("css", "js"):
        shutil.copytree(find("templates") / kind, folder / "assets" / kind, dirs_exist_ok=True)
    for page in explore.pages(site):
        (folder / page.path).write_text(Renderer(site, NAVIGATION).html(page), encoding="utf-8")
    return site


def with_table(results: CampaignResults, change: Callable[[pd.DataFrame], pd.DataFrame]) -> CampaignResults:
    return replace(results, table=change(results.table.copy()))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("explore")
    site = build(folder, lab(machines=6, models=5, rows=720), lab(machines=5, models=5, rows=100, campaign=1))
    return (folder / "explore.html").as_uri(), site.frame


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    if missing:
        pytest.skip(f"Chromium and chromedriver are not installed: no {' and no '.join(missing)}")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def window(browser: Browser) -> Iterator[Browser]:
    """At a desktop's width; fails where the console has an error."""
    resize(browser, 1440)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.get("about:blank")
    browser.get_log("browser")  # type: ignore[no-untyped-call]
    yield browser
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def resize(browser: Browser, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def open_page(browser: Browser, address: str) -> None:
    browser.get("about:blank")
    browser.get(address)
    ready = "return document.documentElement.dataset.explore === 'ready'"
    WebDriverWait(browser, 30).until(lambda each: each.execute_script(ready))


def column(browser: Browser, key: str) -> list[str]:
    """What the rows on show have in one column."""
    script = """
        const at = [...document.querySelectorAll('table.rows thead th')].findIndex((th) => th.dataset.key === arguments[0]);
        return [...document.querySelectorAll('table.rows tbody tr')].map((row) => row.cells[at].innerText.trim());
    """
    cells: list[str] = browser.execute_script(script, key)
    return cells


def ids(browser: Browser) -> list[str]:
    script = "return [...document.querySelectorAll('table.rows tbody tr')].map((tr) => tr.querySelector('[data-row]')?.dataset.row ?? '')"
    found: list[str] = browser.execute_script(script)
    return found


def shown(browser: Browser) -> int:
    words = browser.find_element(By.CSS_SELECTOR, "[data-part=shown]").text
    return int(words.split(" of ")[0].replace(",", ""))


def part(browser: Browser, name: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, f"[data-part={name}]")


def option(browser: Browser, facet: str, name: str) -> Any:
    """The box of a value in the filter panel."""
    script = """
        const facet = document.querySelector(`details.facet[data-key="${arguments[0]}"]`);
        facet.open = true;
        return [...facet.querySelectorAll('li')].find((li) => li.querySelector('bdi').textContent === arguments[1]).querySelector('input');
    """
    return browser.execute_script(script, facet, name)


def counts(browser: Browser, facet: str) -> dict[str, int]:
    script = """
        const items = document.querySelectorAll(`details.facet[data-key="${arguments[0]}"] li`);
        return Object.fromEntries([...items].map((li) => [li.querySelector('bdi').textContent, Number(li.querySelector('.n').textContent.replaceAll(',', ''))]));
    """
    found: dict[str, int] = browser.execute_script(script, facet)
    return found


def click(browser: Browser, element: Any) -> None:
    """However far down it stands."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()


def heading(browser: Browser, key: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, f"table.rows th[data-key={key}]")


def sort_button(browser: Browser, key: str) -> Any:
    return heading(browser, key).find_element(By.CSS_SELECTOR, "[role=button]")


@pytest.mark.parametrize(("key", "first"), [("latency_ms", "ascending"), ("throughput_fps", "descending")])
def test_sorts_by_numbers(window: Browser, small: tuple[str, pd.DataFrame], key: str, first: str) -> None:
    address, frame = small
    open_page(window, address)
    for direction in (first, {"ascending": "descending", "descending": "ascending"}[first]):
        click(window, sort_button(window, key))
        expected = frame.sort_values(
            key, ascending=direction == "ascending", kind="stable", na_position="last"
        )
        assert ids(window) == list(expected["row"].head(50))
        assert heading(window, key).get_attribute("aria-sort") == direction
        # What has no number comes last in both directions.
        click(window, window.find_element(By.CSS_SELECTOR, "[aria-label=Last]"))
        assert column(window, key)[-1].startswith("–")
        assert f"sort={'-' if direction == 'descending' else ''}{key}" in window.current_url
        window.back()
    click(window, sort_button(window, key))
    assert heading(window, key).get_attribute("aria-sort") is None
    assert "sort" not in window.current_url


def test_facets_filter_and_count(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, address)
    click(window, option(window, "scenario", "sync"))
    click(window, option(window, "machine", "nuc-13"))
    own = frame[(frame["scenario"] == "sync") & (frame["machine"] == "nuc-13")]
    assert shown(window) == len(own)
    assert ids(window) == list(own["row"].head(50))
    # A facet counts what the others leave: so another machine can be added, and streams of async are dead.
    assert counts(window, "machine") == frame[frame["scenario"] == "sync"]["machine"].value_counts().to_dict()
    batch = own["batch"].value_counts()
    assert {name: n for name, n in counts(window, "batch").items() if n} == {
        f"{k:g}": n for k, n in batch.items()
    }
    streams = window.execute_script(
        "const f = document.querySelector('[data-key=streams]'); f.open = true; return new Promise((done) => setTimeout(() => done(f.querySelectorAll('li.dead').length)))"
    )
    assert streams == frame["streams"].nunique() - own["streams"].nunique() + own["streams"].notna().all()
    assert [pill.text.split("\n")[0] for pill in window.find_elements(By.CSS_SELECTOR, ".pill bdi")] == [
        "machine: nuc-13",
        "scenario: sync",
    ]
    click(window, window.find_element(By.CSS_SELECTOR, ".pill[data-key=machine] button"))
    assert shown(window) == (frame["scenario"] == "sync").sum()
    click(window, part(window, "reset"))
    assert shown(window) == len(frame)
    assert "#" not in window.current_url


def test_most_values_are_written_as_the_others(
    window: Browser, small: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    address, _ = small
    open_page(window, address)
    click(window, option(window, "machine", "edge-n100"))
    window.find_element(By.CSS_SELECTOR, "details[data-key=machine] .actions button").click()
    assert window.current_url.endswith("#machine=-edge-n100")
    assert "edge-n100" not in column(window, "machine")
    # The link, where a machine was added: it is among the others.
    site = build(tmp_path, lab(machines=8, models=5, rows=720))
    open_page(window, (tmp_path / "explore.html").as_uri() + "#machine=-edge-n100")
    assert shown(window) == (site.frame["machine"] != "edge-n100").sum()


def test_searches_words(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, address)
    part(window, "search").send_keys("SIGSEGV nuc")
    expected = frame[frame["reason"].str.contains("SIGSEGV") & frame["machine"].str.contains("nuc")]
    assert len(expected) > 0
    assert shown(window) == len(expected)
    assert ids(window) == list(expected["row"].head(50))
    part(window, "search").send_keys(" nowhere")
    assert shown(window) == 0
    assert "No row has all of this." in part(window, "table").text
    assert "q=SIGSEGV+nuc+nowhere" in window.current_url


def test_a_link_leads_back(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, _ = small
    open_page(window, address)
    click(window, option(window, "precision", "FP32"))
    part(window, "search").send_keys("resnet")
    click(window, sort_button(window, "latency_ms"))
    before, rows, url = shown(window), ids(window), window.current_url
    open_page(window, url)
    assert (shown(window), ids(window)) == (before, rows)
    assert option(window, "precision", "FP32").is_selected()
    assert part(window, "search").get_attribute("value") == "resnet"
    assert heading(window, "latency_ms").get_attribute("aria-sort") == "ascending"


def test_back_and_forward(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, address)
    click(window, option(window, "scenario", "async"))
    click(window, window.find_element(By.CSS_SELECTOR, "input[value=pivot]"))
    window.back()
    assert not part(window, "pivot").is_displayed()
    assert shown(window) == (frame["scenario"] == "async").sum()
    window.back()
    assert shown(window) == len(frame)
    assert not option(window, "scenario", "async").is_selected()
    window.forward()
    window.forward()
    assert part(window, "pivot").is_displayed()


def test_pages_are_in_the_address(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, f"{address}#page=3")
    assert ids(window) == list(frame["row"].iloc[100:150])
    click(window, window.find_element(By.CSS_SELECTOR, "[aria-label=Next]"))
    assert window.current_url.endswith("#page=4")
    window.back()
    assert ids(window) == list(frame["row"].iloc[100:150])
    # A filter begins at the first page, and the way back is the third.
    click(window, option(window, "machine", "nuc-13"))
    assert ids(window) == list(frame[frame["machine"] == "nuc-13"]["row"].head(50))
    window.back()
    assert ids(window) == list(frame["row"].iloc[100:150])
    open_page(window, f"{address}#page=99999&machine=%2Bnuc-13")
    assert ids(window)[-1] == frame[frame["machine"] == "nuc-13"]["row"].iloc[-1]


def test_columns_are_chosen(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, _ = small
    open_page(window, address)
    part(window, "column-menu").click()
    for key in ("compile", "hint"):
        label = window.find_element(
            By.XPATH, f"//details[@data-part='column-menu']//label[starts-with(., '{key}')]"
        )
        click(window, label)
    headings = window.execute_script(
        "return [...document.querySelectorAll('table.rows thead th')].map((th) => th.dataset.key)"
    )
    assert "compile_ms" in headings
    assert "hint" not in headings
    url = window.current_url
    open_page(window, url)
    assert headings == window.execute_script(
        "return [...document.querySelectorAll('table.rows thead th')].map((th) => th.dataset.key)"
    )


def test_numbers_link_to_their_row(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, f"{address}#verdict=%2Bnoisy")
    first = frame[frame["verdict"] == "noisy"].iloc[0]
    link = window.find_element(By.CSS_SELECTOR, "td.c-latency_ms a")
    assert link.get_attribute("data-row") == first["row"]
    assert str(link.get_attribute("href")).endswith(first["href"])
    assert f"{first['latency_ms']:,.12g} ms; 95 % interval" in str(link.get_attribute("title"))
    assert column(window, "latency_ms")[0].replace("\n", " ").startswith(f"{first['latency_ms']:.3g}"[:3])
    assert "noisy" in window.find_element(By.CSS_SELECTOR, "td.c-latency_ms").text


def pivot_cells(browser: Browser) -> dict[tuple[str, str], dict[str, Any]]:
    script = """
        const table = document.querySelector('table.pivot');
        const columns = [...table.tHead.rows].at(-1).cells;
        const names = [...columns].slice(table.tHead.rows.length === 1 ? 1 : 0).map((th) => th.innerText.trim());
        return [...table.tBodies[0].rows].filter((row) => row.className !== 'group').flatMap((row) =>
          [...row.cells].slice(1).map((cell, at) => ({
            row: row.cells[0].innerText.trim(), column: names[at], style: cell.className, text: cell.innerText.trim(),
            link: cell.querySelector('a')?.dataset.row, best: Boolean(cell.querySelector('b')),
          })));
    """
    return {(cell["row"], cell["column"]): cell for cell in browser.execute_script(script)}


def digits(text: str) -> float:
    return float(text.split("\n")[0].split("★")[0].split()[0].replace(",", ""))


@pytest.mark.parametrize("how", ["best", "median", "geomean"])
@pytest.mark.parametrize(("measure", "lower"), [("latency_ms", True), ("throughput_fps", False)])
def test_pivots(
    window: Browser, small: tuple[str, pd.DataFrame], how: str, measure: str, lower: bool
) -> None:
    address, frame = small
    open_page(window, f"{address}#view=pivot&measure={measure}&agg={how}&scenario=%2Bsync&base=none")
    own = frame[(frame["scenario"] == "sync") & frame["rank_ok"]]
    groups = own.groupby(["model", "machine"])[measure]
    values = {
        "best": groups.min() if lower else groups.max(),
        "median": groups.median(),
        "geomean": groups.apply(lambda each: float(np.exp(np.log(each).mean()))),
    }[how]
    cells = pivot_cells(window)
    assert set(cells) == set(frame[["model", "machine"]].itertuples(index=False, name=None))
    for place, value in values.items():
        assert digits(cells[place]["text"]) == pytest.approx(value, rel=0.006)
        assert "better" not in cells[place]["style"]
        assert "worse" not in cells[place]["style"]
    for model, group in values.groupby("model"):
        best = group.idxmin() if lower else group.idxmax()
        assert [place for place in group.index if cells[place]["best"]] == [best], model


def test_colours_only_what_is_known_to_differ(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    where = "precision=%2BFP32&scenario=%2Bsync&batch=%2B1"
    open_page(window, f"{address}#view=pivot&measure=latency_ms&base=machine:nuc-13&{where}")
    own = frame[(frame["precision"] == "FP32") & (frame["scenario"] == "sync") & (frame["batch"] == 1)]
    cells = pivot_cells(window)
    seen = set()
    for place, group in own.groupby(["model", "machine"]):
        cell = cells[place]
        assert len(group) == 1
        row = group.iloc[0]
        base = own[(own["model"] == row["model"]) & (own["machine"] == "nuc-13")].iloc[0]
        if row["status"] == "not_run":
            assert cell["text"].startswith("·")
            continue
        if row["status"] != "ok":
            assert cell["text"].startswith("✗")
            assert row["status"].replace("_", " ") in cell["text"]
            continue
        assert cell["link"] == row["row"]
        speed = base["latency_ms"] / row["latency_ms"]
        apart = (
            row["latency_low_ms"] > base["latency_high_ms"] or row["latency_high_ms"] < base["latency_low_ms"]
        )
        known = apart and not 1 / 1.02 <= speed <= 1.02 and bool(row["rank_ok"] and base["rank_ok"])
        expected = ("better" if speed > 1 else "worse") if known else "none"
        style = "better" if "better" in cell["style"] else "worse" if "worse" in cell["style"] else "none"
        assert style == expected, (place, cell)
        if not row["rank_ok"]:
            assert row["verdict"] in cell["text"]
            assert not cell["best"]
        seen.add(expected)
    assert seen == {"better", "worse", "none"}


def test_a_baseline_that_is_filtered_away_is_still_one(
    window: Browser, small: tuple[str, pd.DataFrame]
) -> None:
    address, frame = small
    where = "machine=%2Bedge-n100&view=pivot&measure=latency_ms&base=machine:xeon-8480&scenario=%2Bsync"
    open_page(window, f"{address}#{where}&precision=%2BFP32&batch=%2B1")
    styles = [cell["style"] for cell in pivot_cells(window).values()]
    assert any("worse-5" in style for style in styles)


def test_a_cell_of_several_tests_leads_to_them(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, f"{address}#view=pivot&agg=median&scenario=%2Basync&base=none")
    cell = window.find_element(By.CSS_SELECTOR, "table.pivot tbody td.number a")
    click(window, cell)
    own = frame[(frame["scenario"] == "async") & (frame["machine"] == "core-ultra-7")]
    expected = own[own["model"] == min(own["model"])]
    assert set(ids(window)) == set(expected["row"])


def download(browser: Browser, folder: Path, kind: str) -> str:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    part(browser, kind).click()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        files = list(folder.glob(f"*.{kind}"))
        if files:
            return files[0].read_text(encoding="utf-8")
        time.sleep(0.05)
    raise AssertionError("no file came")


def test_downloads_what_is_shown(window: Browser, small: tuple[str, pd.DataFrame], tmp_path: Path) -> None:
    address, frame = small
    open_page(
        window, f"{address}#columns=%2Bmachine,model,latency_ms,reason&scenario=%2Bsync&sort=-latency_ms"
    )
    expected = frame[frame["scenario"] == "sync"].sort_values("latency_ms", ascending=False, kind="stable")
    lines = list(csv.reader(io.StringIO(download(window, tmp_path, "csv"))))
    assert lines[0] == ["machine", "model", "reason", "latency_ms"]
    for line, row in zip(lines[1:], expected.itertuples(), strict=True):
        assert line[:3] == [row.machine, row.model, row.reason]
        assert line[3] == "" if pd.isna(row.latency_ms) else float(line[3]) == row.latency_ms
    content = json.loads(download(window, tmp_path, "json"))
    assert content["filters"] == {"scenario": "+sync"}
    assert [each["latency_ms"] for each in content["rows"]] == [
        None if pd.isna(value) else value for value in expected["latency_ms"]
    ]


def test_downloads_the_pivot(window: Browser, small: tuple[str, pd.DataFrame], tmp_path: Path) -> None:
    address, _ = small
    open_page(window, f"{address}#view=pivot&scenario=%2Bsync&batch=%2B1&precision=%2BFP32")
    cells = pivot_cells(window)
    lines = list(csv.DictReader(io.StringIO(download(window, tmp_path, "csv"))))
    assert {line["model"] for line in lines} == {model for model, _ in cells}
    for line in lines:
        for machine, value in line.items():
            if machine == "model":
                continue
            cell = cells[line["model"], machine]
            if cell["text"].startswith("✗"):
                assert value.split(":")[0] in cell["text"]
            elif not cell["text"].startswith("·"):
                assert digits(cell["text"]) == pytest.approx(float(value), rel=0.006)
    content = json.loads(download(window, tmp_path, "json"))
    assert content["measure"] == "throughput_fps"
    assert len(content["cells"]) == len(cells)


def test_with_the_keyboard_alone(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, address)

    def tab_to(test: str, most: int = 250) -> None:
        for _ in range(most):
            window.switch_to.active_element.send_keys(Keys.TAB)
            if window.execute_script(f"const e = document.activeElement; return Boolean({test})"):
                return
        raise AssertionError(f"the tab key does not lead to {test}")

    tab_to("e.closest('details[data-key=scenario]') && e.type === 'checkbox'")
    window.switch_to.active_element.send_keys(Keys.SPACE)
    assert shown(window) == (frame["scenario"] == "async").sum()
    tab_to("e.dataset.part === 'search'")
    window.switch_to.active_element.send_keys("resnet50")
    own = frame[(frame["scenario"] == "async") & (frame["model"] == "resnet50")]
    assert shown(window) == len(own)
    tab_to("e.closest('th')?.dataset.key === 'latency_ms'")
    window.switch_to.active_element.send_keys(Keys.ENTER)
    assert ids(window)[0] == own.sort_values("latency_ms", kind="stable")["row"].iloc[0]
    window.execute_script("document.activeElement.blur()")
    tab_to("e.name === 'view'")
    window.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert part(window, "pivot").is_displayed()


def test_presets_and_campaigns(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    open_page(window, address)
    WebDriverWait(window, 10).until(
        lambda each: len(each.find_elements(By.CSS_SELECTOR, "[data-part=presets] a")) == 3
    )
    edge, servers, classic = window.find_elements(By.CSS_SELECTOR, "[data-part=presets] a")
    told = [item.text for item in window.find_elements(By.CSS_SELECTOR, "[data-part=presets] .n")]
    click(window, servers)
    assert set(column(window, "machine")) <= {"xeon-8480", "arm-altra"}
    assert shown(window) == int(told[1].split()[0].replace(",", ""))
    click(window, edge)
    assert set(column(window, "precision")) == {"INT8"}
    assert shown(window) == int(told[0].split()[0].replace(",", ""))
    click(window, classic)
    levels = window.find_elements(By.CSS_SELECTOR, "table.pivot thead tr")
    assert len(levels) == 4
    best = (
        frame[frame["rank_ok"]].groupby(["model", "machine", "device", "precision", "scenario"])["fps"].max()
    )
    first = window.find_element(By.CSS_SELECTOR, "table.pivot tbody tr:not(.group)")
    model = first.find_element(By.CSS_SELECTOR, "th").text
    row = [
        digits(cell.text)
        for cell in first.find_elements(By.CSS_SELECTOR, "td.number")
        if cell.text[0].isdigit()
    ]
    assert len(row) > 5
    assert set(np.round(np.log(row), 1)) <= set(np.round(np.log(best[model]), 1)) | set(
        np.round(np.log(frame[frame["model"] == model]["fps"].dropna()), 1)
    )
    window.back()
    Select(part(window, "campaign")).select_by_index(1)
    WebDriverWait(window, 10).until(lambda each: "campaign=lab-2026-07" in each.current_url)
    WebDriverWait(window, 10).until(lambda each: part(each, "shown").text.endswith(" of 100 rows"))


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


def test_hostile_texts_are_texts(window: Browser, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "files").mkdir()
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
    lines = list(csv.reader(io.StringIO(download(window, tmp_path / "files", "csv"))))
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


def test_on_a_phone_nothing_moves_sideways(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, _ = small
    resize(window, 390)
    for view in (
        "",
        "#view=pivot",
        "#machine=%2Bnuc-13&q=resnet&view=pivot&cols=machine,device,precision,scenario",
    ):
        open_page(window, address + view)
        assert window.execute_script("return document.documentElement.scrollWidth") <= 390
        assert part(window, "filter-panel").get_attribute("open") is None
    part(window, "filter-panel").find_element(By.TAG_NAME, "summary").click()
    assert option(window, "scenario", "sync").is_displayed()
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390
    open_page(window, address)
    part(window, "column-menu").click()
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390


def test_scripts_off(window: Browser, small: tuple[str, pd.DataFrame]) -> None:
    address, frame = small
    window.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    window.get(address)
    rows = window.find_elements(By.CSS_SELECTOR, "table.rows tbody tr")
    assert len(rows) == explore.STATIC_ROWS
    assert str(rows[0].find_element(By.TAG_NAME, "a").get_attribute("href")).endswith(frame["href"].iloc[0])
    links = [link.text for link in window.find_elements(By.CSS_SELECTOR, "p.notice a")]
    assert links[:-1] == list(frame["machine"].unique())
    assert not window.find_element(By.ID, "explore").is_displayed()


def test_rows_that_are_missing_are_told(window: Browser, tmp_path: Path) -> None:
    build(tmp_path, lab(machines=2, models=2, rows=20))
    for file in (tmp_path / "assets" / "rows").iterdir():
        file.unlink()
    window.get((tmp_path / "explore.html").as_uri())
    WebDriverWait(window, 10).until(lambda each: each.find_element(By.ID, "explore-error").is_displayed())
    told = window.find_element(By.ID, "explore-error").text
    assert "is missing from this copy of the site" in told
    assert "edge-n100" in told
    window.get_log("browser")  # type: ignore[no-untyped-call]  # the missing files are errors of the console


def test_size(small: tuple[str, pd.DataFrame], tmp_path: Path) -> None:
    """Budgets that do not depend on time, at 100,000 rows."""
    build(tmp_path, lab(machines=25, models=50, rows=100_000))

    def size(files: Sequence[Path]) -> int:
        return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)

    assets = tmp_path / "assets"
    rows = sorted((assets / "rows").iterdir())
    assert max(size([file]) for file in rows) < 4_000_000
    assert size([*(assets / "js").iterdir(), assets / "vendor" / "datatables.js"]) < 500_000
    assert size([tmp_path / "explore.html"]) < 60_000
