"""A link says the same in a site of later campaigns and other machines, or the page says what is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from integrator.merge import to_csv
from integrator.site.build import build_site
from integrator.site.source import CampaignResults
from tests.site import synthetic
from tests.site.conftest import Once

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def old(once: Once) -> Path:
    def build(folder: Path) -> None:
        build_site(folder / "site", [synthetic.lab(machines=5, models=8, rows=320)])

    return once("old", build) / "site"


@pytest.fixture(scope="module")
def later(once: Once) -> Path:
    """The old campaign and a newer one, whose first machine is another and which lacks nuc-13."""

    def build(folder: Path) -> None:
        newest = synthetic.lab(machines=8, models=12, rows=960, campaign=1)
        build_site(
            folder / "site",
            [_turned(newest, without="nuc-13"), synthetic.lab(machines=5, models=8, rows=320)],
        )

    return once("later", build) / "site"


def _turned(campaign: CampaignResults, *, without: str) -> CampaignResults:
    """The same with its last rows first, and without one machine."""
    table = campaign.table[campaign.table["machine"] != without].iloc[::-1].reset_index(drop=True)
    return replace(campaign, table=table, csv=to_csv(table).encode())


def opened(window: webdriver.Chrome, address: str, ready: str) -> None:
    window.get("about:blank")
    window.get(address)
    WebDriverWait(window, 20).until(lambda each: each.execute_script(f"return {ready}"))


def state(window: webdriver.Chrome) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(window.current_url).fragment).items()}


COMPARED = "document.querySelector('#headline .answer') && !document.querySelector('#headline[aria-busy]')"
HISTORY = "document.querySelector('#tests .dynamic:not([hidden], [aria-busy])') !== null"
EXPLORED = "document.documentElement.dataset.explore === 'ready'"


def test_a_comparison_stays_that_of_the_same_machines(
    window: webdriver.Chrome, old: Path, later: Path
) -> None:
    opened(window, (old / "compare.html").as_uri(), COMPARED)
    Select(window.find_element(By.NAME, "m")).select_by_value("latency")
    WebDriverWait(window, 20).until(lambda each: "median latencies" in text(each, "#headline"))
    link = urlsplit(window.current_url).fragment
    assert {state(window)[side] for side in "ab"} == {"edge-n100", "nuc-13"}
    opened(window, f"{(later / 'compare.html').as_uri()}#{link}", COMPARED)
    sides = [Select(window.find_element(By.NAME, side)).first_selected_option.text for side in "ab"]
    assert set(sides) == {"edge-n100", "nuc-13"}
    assert "nuc-13 is not in the newest campaign" in text(window, "#notes")


def test_to_sort_a_comparison_names_its_machines(window: webdriver.Chrome, old: Path) -> None:
    opened(window, (old / "compare.html").as_uri(), COMPARED)
    window.find_element(By.CSS_SELECTOR, "th[data-key=ratio] button").click()
    assert {"a", "b", "sort"} <= set(state(window))
    assert window.switch_to.active_element.text == "ratio B ÷ A"


def test_a_history_stays_that_of_the_same_machine(window: webdriver.Chrome, old: Path, later: Path) -> None:
    opened(window, (old / "history.html").as_uri(), HISTORY)
    Select(window.find_element(By.CSS_SELECTOR, "#tests [name=model]")).select_by_value("ssd-mobilenet")
    WebDriverWait(window, 20).until(lambda each: each.execute_script(f"return {HISTORY}"))
    link = urlsplit(window.current_url).fragment
    opened(window, f"{(later / 'history.html').as_uri()}#{link}", HISTORY)
    chosen = {
        name: Select(window.find_element(By.CSS_SELECTOR, f"#tests [name={name}]")).first_selected_option.text
        for name in ("machine", "model")
    }
    assert chosen == {"machine": "edge-n100", "model": "ssd-mobilenet"}
    assert not window.find_elements(By.CSS_SELECTOR, "#tests .dynamic .notice")


def test_a_history_says_what_is_gone(window: webdriver.Chrome, old: Path) -> None:
    opened(window, f"{(old / 'history.html').as_uri()}#machine=gone&model=lost", HISTORY)
    notice = text(window, "#tests .dynamic .notice")
    assert "The machine “gone” is not on this site" in notice
    assert "the model “lost”" in notice


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("campaign=before", "There is no campaign “before” on this site"),
        ("machine=%2Bnuc-13,xeon-8480", "This campaign has no machine “nuc-13”."),
        ("sort=-speed", "It has no column “speed” to sort by."),
        ("view=pivot&base=machine:nuc-13", "It has no “machine nuc-13” to compare with"),
        ("view=pivot&measure=joy", "It has no measure “joy”"),
        ("view=pivot&cols=machine,colour", "It has no “colour” to put into rows or columns."),
    ],
)
def test_the_explorer_says_what_is_gone(window: webdriver.Chrome, later: Path, link: str, words: str) -> None:
    opened(window, f"{(later / 'explore.html').as_uri()}#{link}", EXPLORED)
    assert words in text(window, "#explore [data-part=gone]")


@pytest.mark.parametrize(
    "link",
    [
        "",
        "campaign=lab-2026-06&machine=%2Bnuc-13&sort=-latency_ms",
        "machine=-nuc-13&q=sync",
        "view=pivot&rows=model,precision&cols=scenario&measure=latency_ms&agg=geomean&base=machine:xeon-8480",
        "view=pivot&base=none&cols=",
    ],
)
def test_the_explorer_is_silent_where_nothing_is_gone(
    window: webdriver.Chrome, later: Path, link: str
) -> None:
    opened(window, f"{(later / 'explore.html').as_uri()}#{link}", EXPLORED)
    assert not window.find_element(By.CSS_SELECTOR, "#explore [data-part=gone]").is_displayed()


def test_a_link_may_keep_its_campaign(window: webdriver.Chrome, old: Path, later: Path) -> None:
    script = "return document.querySelector('#explore [data-part=campaign]').value"
    opened(window, f"{(later / 'explore.html').as_uri()}", EXPLORED)
    assert window.execute_script(script) == ""
    chooser = window.find_element(By.CSS_SELECTOR, "#explore [data-part=campaign]")
    Select(chooser).select_by_value("lab-2026-07")
    WebDriverWait(window, 20).until(lambda each: state(each).get("campaign") == "lab-2026-07")


def test_a_limit_keeps_its_currency(window: webdriver.Chrome, old: Path) -> None:
    opened(window, f"{(old / 'index.html').as_uri()}", "document.querySelector('#find form')")
    price = window.find_element(By.NAME, "price")
    price.send_keys("5000")
    window.find_element(By.CSS_SELECTOR, "#find button.main").click()
    assert (state(window)["price"], state(window)["currency"]) == ("5000", "EUR")


def text(window: webdriver.Chrome, selector: str) -> str:
    return window.find_element(By.CSS_SELECTOR, selector).text


def test_a_number_stays_that_of_its_campaign(window: webdriver.Chrome, old: Path, later: Path) -> None:
    opened(window, (old / "index.html").as_uri(), "window.fleetmark")
    window.find_element(By.CSS_SELECTOR, "#boards a[data-row]").click()
    WebDriverWait(window, 20).until(lambda each: "Median latency" in text(each, "dialog"))
    link, shown = urlsplit(window.current_url).fragment, text(window, "dialog .body dl")
    opened(window, f"{(later / 'index.html').as_uri()}#{link}", "document.querySelector('dialog .body dl')")
    assert text(window, "dialog .body dl") == shown
