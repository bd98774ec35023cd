"""history.html in the browser, with three campaigns of a large lab."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from integrator.site.build import build_site
from integrator.site.history.table import rows
from integrator.site.page import Site
from integrator.site.source import CampaignResults
from tests.site import browser, edges, synthetic
from tests.site.conftest import Once

pytestmark = pytest.mark.browser

HTML_LIMIT = 60_000


def labs() -> list[CampaignResults]:
    return [synthetic.lab(rows=2500, campaign=number) for number in range(3)]


def opened(window: webdriver.Chrome, site: Path, state: str = "") -> None:
    window.get("about:blank")
    window.get(f"{(site / 'history.html').as_uri()}{state}")
    settled(window)


def settled(window: webdriver.Chrome) -> None:
    """Until the table of the chosen machine is drawn."""
    WebDriverWait(window, 20).until(
        lambda each: each.execute_script(
            "return document.querySelector('#tests .dynamic:not([hidden], [aria-busy])') !== null"
        )
    )


def choose(window: webdriver.Chrome, name: str, value: str) -> None:
    Select(window.find_element(By.CSS_SELECTOR, f"#tests select[name={name}]")).select_by_value(value)
    settled(window)


def cells(window: webdriver.Chrome) -> list[list[str]]:
    script = """return [...document.querySelectorAll('#tests .dynamic tbody tr')].map(
        (row) => [...row.cells].map((cell) => cell.innerText.trim()));"""
    found: list[list[str]] = window.execute_script(script)
    return found


def heads(window: webdriver.Chrome) -> list[str]:
    return [row[0] for row in cells(window)]


def count(window: webdriver.Chrome) -> str:
    text: str = window.execute_script("return document.querySelector('#tests output').value")
    return text


def test_python_and_the_browser_say_the_same(window: webdriver.Chrome, lab_site: Path) -> None:
    opened(window, lab_site, "#machine=nuc-13")
    site = Site(tuple(labs()[::-1]))
    places = [at for at, name in enumerate(site.timeline.tests["machine"]) if name == "nuc-13"][:50]
    shown = cells(window)
    assert len(shown) == 50
    for row, given in zip(rows(site.timeline, places, range(3)), shown, strict=True):
        for cell, text in zip(row.cells, given[2:], strict=True):
            expected = [cell.value, cell.interval, cell.doubt, cell.change, cell.status]
            assert re.sub(r"[▲▼≈?~✕·]\s*", "", text).split("\n") == [each for each in expected if each], row


def test_the_machine_that_became_faster(window: webdriver.Chrome, lab_site: Path) -> None:
    """`synthetic.lab` makes machine 1 faster by 8 % from the first campaign to the second."""
    opened(window, lab_site, "#machine=nuc-13&show=changed")
    changed = [row for row in cells(window) if "faster" in row[3]]
    assert len(changed) > 40
    assert "kernel" in window.find_element(By.CSS_SELECTOR, "#tests .dynamic thead").text
    assert not any("faster" in row[2] for row in cells(window))  # nothing is before the first
    tones = window.find_elements(By.CSS_SELECTOR, "#tests .dynamic .change.faster")
    assert len(tones) >= len(changed)


def test_filters_and_their_address(window: webdriver.Chrome, lab_site: Path) -> None:
    opened(window, lab_site)
    assert count(window) == "100 of 100 tests"
    choose(window, "machine", "xeon-8480")
    choose(window, "model", "yolov8n")
    assert count(window) == "2 of 100 tests"
    assert all(head.startswith("yolov8n") for head in heads(window))
    choose(window, "measure", "latency_ms")
    assert all("latency, ms" in head for head in heads(window))
    address = window.current_url
    assert address.endswith("#machine=xeon-8480&model=yolov8n&measure=latency_ms")
    shown = cells(window)
    opened(window, lab_site, address.partition("#")[1] + address.partition("#")[2])
    assert cells(window) == shown
    window.find_element(By.CSS_SELECTOR, "#tests button[type=reset]").click()
    settled(window)
    assert (count(window), "#" in window.current_url) == ("100 of 100 tests", False)
    browser.travel(window, -1)
    settled(window)
    assert cells(window) == shown


def test_what_failed_can_be_asked_for(window: webdriver.Chrome, lab_site: Path) -> None:
    opened(window, lab_site, "#show=failing")
    assert cells(window)
    assert all("✕" in "".join(row) for row in cells(window))


def test_a_link_to_what_is_gone_still_shows_something(window: webdriver.Chrome, lab_site: Path) -> None:
    opened(window, lab_site, "#machine=gone&model=gone&measure=gone&page=999&show=gone")
    assert len(cells(window)) == 50
    assert count(window) == "100 of 100 tests"


def test_pages_by_keyboard(window: webdriver.Chrome, lab_site: Path) -> None:
    opened(window, lab_site)
    first = heads(window)
    following = window.find_element(By.XPATH, "//nav[@class='pages']/button[text()='Next']")
    following.send_keys(Keys.ENTER)
    settled(window)
    assert len(heads(window)) == 50
    assert heads(window) != first
    assert window.switch_to.active_element.get_attribute("role") == "region"
    assert "page=2" in window.current_url


def test_a_value_explains_itself(window: webdriver.Chrome, lab_site: Path) -> None:
    opened(window, lab_site)
    link = window.find_element(By.CSS_SELECTOR, "#tests .dynamic a.value")
    link.click()
    dialog = WebDriverWait(window, 20).until(
        lambda each: each.find_element(By.CSS_SELECTOR, "dialog[open]:not([aria-busy])")
    )
    assert link.text in dialog.text
    assert "lab-2026-06" in window.current_url  # the campaign of the first column


def test_without_scripts(window: webdriver.Chrome, lab_site: Path) -> None:
    browser.scripts(window, on=False)
    window.get((lab_site / "history.html").as_uri())
    region = window.find_element(By.CSS_SELECTOR, "#tests .static")
    assert region.is_displayed()
    assert len(region.find_elements(By.CSS_SELECTOR, "tbody tr")) == 120
    assert not window.find_element(By.CSS_SELECTOR, "#tests form").is_displayed()
    assert "6.1.0-29-amd64" in window.find_element(By.ID, "machines").text


@pytest.mark.parametrize("site", ["lab", "hostile"])
def test_a_page_stays_small(site: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(f"{site}_site")
    assert len(gzip.compress((folder / "history.html").read_bytes())) < HTML_LIMIT


def test_fits_a_phone(window: webdriver.Chrome, lab_site: Path) -> None:
    browser.resize(window, browser.PHONE)
    opened(window, lab_site)
    assert window.execute_script("return document.documentElement.scrollWidth") == browser.PHONE


def test_texts_that_mean_ill(window: webdriver.Chrome, once: Once) -> None:
    """Twice, so that they are in a history; each machine's file loads, and nothing of it runs."""

    def build(folder: Path) -> None:
        one = edges.hostile()
        facts = replace(one.facts, id="before", created_at=one.facts.created_at - timedelta(days=1))
        build_site(folder / "site", [one, replace(one, facts=facts)])

    site = once("hostile-history", build) / "site"
    opened(window, site)
    machines = Select(window.find_element(By.CSS_SELECTOR, "#tests select[name=machine]"))
    assert len(machines.options) == len(edges.NASTY)
    for place in range(len(edges.NASTY)):
        machines.select_by_index(place)
        settled(window)
        assert len(cells(window)) == 5
        assert count(window) == "5 of 5 tests"
    assert window.execute_script("return window.owned") is None
    assert window.execute_script("return document.documentElement.scrollWidth") <= browser.DESKTOP


def test_sites_with_next_to_nothing(window: webdriver.Chrome, edge_sites: Mapping[str, Path]) -> None:
    for name, site in edge_sites.items():
        window.get((site / "history.html").as_uri())
        assert window.find_element(By.TAG_NAME, "h1").text == "History", name
