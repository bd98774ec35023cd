"""The pages of machines and models, and their charts, in a browser."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from integrator.site.build import build_site
from integrator.site.frame import ROWS_PER_PAGE
from integrator.site.page import Site
from integrator.site.pages import machine, model
from tests.site import browser, synthetic

pytestmark = pytest.mark.browser

LIVE = "return [...document.querySelectorAll('figure.chart')].every((each) => each.dataset.live === 'yes')"
SIDEWAYS = "return document.documentElement.scrollWidth - window.innerWidth"


def enliven(window: webdriver.Chrome) -> None:
    """Scroll down to every chart, and wait until each answers to the pointer."""
    for figure in window.find_elements(By.CSS_SELECTOR, "figure.chart"):
        window.execute_script("arguments[0].scrollIntoView()", figure)
    WebDriverWait(window, 30).until(lambda _: window.execute_script(LIVE))


def words(window: webdriver.Chrome, where: str) -> list[str]:
    """The texts of a drawing that is shown."""
    found: list[str] = window.execute_script(
        f"return [...document.querySelectorAll('{where} svg text')].map((each) => each.textContent)"
    )
    return found


def test_without_scripts_drawings_numbers_and_failures_are_there(
    window: webdriver.Chrome, sample_site: Path
) -> None:
    browser.scripts(window, on=False)
    window.get((sample_site / "models" / "resnet50.html").as_uri())
    drawn = words(window, "#chart-pareto .drawing")
    assert "median latency, ms (lower is better)" in drawn
    assert "throughput, FPS (higher is better)" in drawn
    rows = window.find_elements(By.CSS_SELECTOR, "#tests tbody tr")
    assert {row.find_element(By.TAG_NAME, "th").text for row in rows} == {"nuc-13", "xeon-8480", "edge-n100"}
    window.get((sample_site / "machines" / "nuc-13.html").as_uri())
    failed = window.find_elements(By.CSS_SELECTOR, "#tests tr.failed")
    assert [re.sub(r"\s+", " ", row.text) for row in failed if "crashed" in row.text]
    assert "signal 11 (SIGSEGV) during compilation" in window.find_element(By.ID, "tests").text
    assert "13th Gen Intel(R) Core(TM) i7-1360P" in window.find_element(By.ID, "machine").text
    assert "cpufreq is not there" in window.find_element(By.ID, "machine").text


def test_a_chart_comes_alive_once_it_is_seen_and_explains_its_marks(
    window: webdriver.Chrome, lab_site: Path
) -> None:
    window.get((lab_site / "models" / "resnet50.html").as_uri())
    enliven(window)
    asked = browser.requested(browser.events(window))
    assert [url.rsplit("/", 1)[1] for url in asked if "vendor" in url] == ["vega.js"]
    for figure in window.find_elements(By.CSS_SELECTOR, "figure.chart"):
        assert not figure.find_element(By.CSS_SELECTOR, ".drawing").is_displayed()
        assert figure.find_element(By.CSS_SELECTOR, ".view svg").is_displayed()
    assert "median latency, ms (lower is better)" in words(window, "#chart-pareto .view")
    row = window.execute_script(
        "let asked = null; window.fleetmark.explain = (row) => { asked = row; };"
        "const mark = document.querySelector('#chart-pareto .view .mark-symbol.role-mark path[aria-label]');"
        "const at = mark.getBoundingClientRect();"
        "const where = { clientX: at.x + at.width / 2, clientY: at.y + at.height / 2, bubbles: true };"
        "mark.dispatchEvent(new MouseEvent('click', where));"
        "return asked"
    )
    specs = window.execute_script("return document.querySelector('#chart-pareto script.spec').textContent")
    assert row in {value["row"] for value in json.loads(specs)["data"]["values"]}


def test_a_page_without_a_chart_loads_no_library_of_charts(window: webdriver.Chrome, lab_site: Path) -> None:
    window.get((lab_site / "machines.html").as_uri())
    window.get((lab_site / "models.html").as_uri())
    assert not [url for url in browser.requested(browser.events(window)) if "vega" in url]


def test_a_copy_without_the_library_keeps_its_drawings(
    window: webdriver.Chrome, lab_site: Path, tmp_path: Path, tolerated: list[str]
) -> None:
    for name in ("models", "assets/css", "assets/js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(lab_site / name)
    tolerated += ["vega.js", "the drawing stays as it is"]
    window.get((tmp_path / "models" / "resnet50.html").as_uri())
    WebDriverWait(window, 10).until(
        lambda _: any("the drawing stays" in each["message"] for each in window.get_log("browser"))  # type: ignore[no-untyped-call]
    )
    assert window.find_element(By.CSS_SELECTOR, "#chart-pareto .drawing svg").is_displayed()
    assert not window.find_elements(By.CSS_SELECTOR, "figure.chart .view")


@pytest.mark.parametrize("alive", [False, True])
def test_colours_follow_the_theme(window: webdriver.Chrome, lab_site: Path, *, alive: bool) -> None:
    colours = []
    for colour in ("light", "dark"):
        browser.media(window, colours=colour)
        browser.scripts(window, on=alive)
        window.get((lab_site / "models" / "resnet50.html").as_uri())
        if alive:
            enliven(window)
        where = "#chart-pareto .view" if alive else "#chart-pareto .drawing"
        colours.append(
            window.execute_script(
                f"const mark = document.querySelector('{where} .role-legend-symbol path');"
                "return [getComputedStyle(mark).fill,"
                f" getComputedStyle(document.querySelector('{where} .role-axis-title text')).fill]"
            )
        )
    (light_mark, light_title), (dark_mark, dark_title) = colours
    assert (light_mark, light_title) == ("rgb(11, 98, 164)", "rgb(27, 29, 32)")
    assert (dark_mark, dark_title) == ("rgb(111, 179, 234)", "rgb(228, 228, 223)")


@pytest.mark.parametrize(
    "path", ["machines.html", "models.html", "machines/nuc-13.html", "models/resnet50.html"]
)
def test_a_phone_needs_no_sideways_scrolling(window: webdriver.Chrome, lab_site: Path, path: str) -> None:
    browser.resize(window, browser.PHONE)
    window.get((lab_site / path).as_uri())
    enliven(window)
    assert window.execute_script(SIDEWAYS) <= 0


def test_ids_of_a_page_are_its_own(window: webdriver.Chrome, lab_site: Path) -> None:
    window.get((lab_site / "models" / "resnet50.html").as_uri())
    twice = window.execute_script(
        "const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);"
        "return ids.filter((id, place) => ids.indexOf(id) !== place)"
    )
    assert twice == []


def test_every_row_has_its_place_and_every_link_one(lab_site: Path) -> None:
    places = {
        f"machines/{file.name}#{name}"
        for file in (lab_site / "machines").iterdir()
        for name in re.findall(r'<tr id="([^"]+)"', file.read_text())
    }
    links = {
        href.removeprefix("../")
        for folder in ("machines", "models")
        for file in (lab_site / folder).iterdir()
        for href in re.findall(r'href="([^"]+)" data-row', file.read_text())
    }
    assert links
    assert links <= places


def test_hostile_texts_are_texts(window: webdriver.Chrome, hostile_site: Path) -> None:
    for folder in ("machines", "models"):
        for file in sorted((hostile_site / folder).iterdir()):
            window.get(file.as_uri())
            assert window.execute_script("return window.owned === undefined"), file.name
    window.get((hostile_site / "models" / "resnet50.html").as_uri())
    enliven(window)
    assert window.execute_script("return window.owned === undefined")
    assert any("<script>window.owned=1" in text for text in words(window, "#chart-pareto .view"))


def test_campaigns_with_next_to_nothing_make_sense(
    window: webdriver.Chrome, edge_sites: Mapping[str, Path]
) -> None:
    for name, site in edge_sites.items():
        for path in ("machines.html", "models.html"):
            window.get((site / path).as_uri())
            assert window.find_element(By.CSS_SELECTOR, "tbody tr").text, name
    window.get((edge_sites["only failures"] / "models" / "resnet50.html").as_uri())
    assert (
        "No valid test has both a latency and a throughput." in window.find_element(By.TAG_NAME, "main").text
    )
    window.get((edge_sites["only failures"] / "machines" / "nuc-13.html").as_uri())
    assert "nothing that may be ranked" in window.find_element(By.ID, "best").text


@pytest.mark.parametrize("rows", [400, 10_000])
def test_pages_stay_light(rows: int, tmp_path: Path) -> None:
    """As they are written, with drawings where there are some; the greatest of each kind."""
    machines, models = (1, 1) if rows == 400 else (25, 50)
    build_site(tmp_path / "site", [synthetic.lab(machines=machines, models=models, rows=rows)])
    for folder in ("machines", "models"):
        sizes = {
            file.name: len(gzip.compress(file.read_bytes(), 9))
            for file in (tmp_path / "site" / folder).iterdir()
        }
        heaviest = max(sizes, key=sizes.__getitem__)
        assert sizes[heaviest] <= 60 * 1024, (heaviest, sizes[heaviest])


def test_a_machine_with_many_tests_has_several_pages() -> None:
    site = Site((synthetic.lab(machines=2, models=20, rows=2 * (2 * ROWS_PER_PAGE + 40)),))
    of_first = [page for page in machine.pages(site) if page.context.get("name") == site.machines[0]]
    assert [len(page.context["tests"]) for page in of_first] == [ROWS_PER_PAGE, ROWS_PER_PAGE, 40]  # type: ignore[arg-type]
    for page in of_first:
        for test in page.context["tests"]:  # type: ignore[attr-defined]
            assert test.href == f"{page.path}#{test.row}"


def test_a_model_with_many_tests_shows_every_machine() -> None:
    site = Site((synthetic.lab(machines=20, models=1, rows=800),))
    (page,) = (page for page in model.pages(site) if page.path.startswith("models/"))
    shown = page.context["tests"]
    assert {test.machine for test in shown} == set(site.machines)  # type: ignore[attr-defined]
    assert len(shown) <= 300  # type: ignore[arg-type]
