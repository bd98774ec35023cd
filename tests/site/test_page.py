"""The page in a browser, from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.site import browser, sample
from tests.site.browser import resize

pytestmark = pytest.mark.browser


@pytest.fixture
def page(sample_site: Path) -> str:
    return (sample_site / "index.html").as_uri()


def column(driver: webdriver.Chrome, key: str) -> list[str]:
    """What the visible rows show in one column."""
    script = """
        const index = [...document.querySelectorAll('#all th[data-key]')].findIndex(
            (heading) => heading.dataset.key === arguments[0]);
        return [...document.querySelectorAll('#all tbody tr')]
            .filter((row) => row.offsetParent !== null)
            .map((row) => row.cells[index].dataset.sort);
    """
    cells: list[str] = driver.execute_script(script, key)
    return cells


def heading(driver: webdriver.Chrome, key: str) -> str | None:
    return driver.find_element(By.CSS_SELECTOR, f"#all th[data-key={key}]").get_attribute("aria-sort")


def press(driver: webdriver.Chrome, key: str, with_key: str = "") -> None:
    button = driver.find_element(By.CSS_SELECTOR, f"#all th[data-key={key}] button")
    if with_key:
        button.send_keys(with_key)
    else:
        button.click()


def numbers(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells if cell]


def test_loads_from_a_folder(window: webdriver.Chrome, page: str) -> None:
    window.get(page)
    assert len(column(window, "fps")) == 30
    loaded = browser.requested(browser.events(window))
    assert {url.rsplit("/", 1)[-1] for url in loaded} >= {"index.html", "base.css", "core.js", "index.js"}
    assert all(url.startswith(("file:", "data:", "about:")) for url in loaded), loaded


def test_sorts_by_a_click_and_keeps_it_in_the_address(window: webdriver.Chrome, page: str) -> None:
    window.get(page)
    before = column(window, "fps")
    press(window, "fps")
    cells = column(window, "fps")
    assert numbers(cells) == sorted(numbers(before), reverse=True)
    assert cells != before
    assert cells[-6:] == [""] * 6  # what is missing comes last
    assert heading(window, "fps") == "descending"
    assert "sort=fps" in window.current_url
    press(window, "fps")
    cells = column(window, "fps")
    assert numbers(cells) == sorted(numbers(before))
    assert cells[-6:] == [""] * 6
    url = window.current_url

    window.get("about:blank")
    window.get(url)
    assert column(window, "fps") == cells
    assert heading(window, "fps") == "ascending"
    for _ in ("the empty page", "ascending", "descending"):
        window.back()
    assert heading(window, "fps") == "descending"


def test_sorts_by_keyboard(window: webdriver.Chrome, page: str) -> None:
    window.get(page)
    press(window, "latency_ms", Keys.ENTER)
    assert numbers(column(window, "latency_ms")) == sorted(numbers(column(window, "latency_ms")))
    assert heading(window, "latency_ms") == "ascending"
    press(window, "model", Keys.SPACE)
    assert column(window, "model") == sorted(column(window, "model"))
    assert heading(window, "latency_ms") is None


@pytest.mark.parametrize("key", ["machine", "status", "verdict", "batch", "latency_p99_ms", "iterations"])
def test_every_kind_of_column_sorts(window: webdriver.Chrome, page: str, key: str) -> None:
    window.get(page)
    press(window, key)
    ordered = [cell for cell in column(window, key) if cell]
    assert len(column(window, key)) == 30
    assert ordered == (sorted(ordered, key=float) if ordered[0][0].isdigit() else sorted(ordered))


def test_filters(window: webdriver.Chrome, page: str) -> None:
    window.get(page)
    field = window.find_element(By.NAME, "q")
    field.send_keys("XEON yolo")
    assert set(column(window, "machine")) == {"xeon-8480"}
    assert len(column(window, "machine")) == 2
    assert window.find_element(By.NAME, "count").text == "2 of 30 tests"
    window.find_element(By.CSS_SELECTOR, "form.controls button[type=reset]").click()
    assert len(column(window, "machine")) == 30
    field.send_keys("stop what else")  # an advice, which is no test's own word
    assert column(window, "machine") == []
    window.find_element(By.CSS_SELECTOR, "form.controls button[type=reset]").click()
    Select(window.find_element(By.NAME, "show")).select_by_value("failures")
    assert sorted(column(window, "status")) == sorted(status.replace("_", " ") for status in sample.FAILURES)
    assert "show=failures" in window.current_url


def test_a_link_to_a_test_shows_it_even_when_filtered(window: webdriver.Chrome, page: str) -> None:
    window.get(f"{page}#show=failures")
    assert len(column(window, "fps")) == 6
    link = window.find_element(By.CSS_SELECTOR, ".best a.value")
    link.click()
    target = (link.get_attribute("href") or "").rpartition("#")[2]
    assert window.find_element(By.ID, target).is_displayed()


def test_without_scripts_all_is_there(window: webdriver.Chrome, page: str) -> None:
    browser.scripts(window, on=False)
    window.get(page)
    rows = window.find_elements(By.CSS_SELECTOR, "#all tbody tr")
    assert sum(row.is_displayed() for row in rows) == 30
    assert not window.find_element(By.CSS_SELECTOR, "form.controls").is_displayed()
    assert not window.find_elements(By.CSS_SELECTOR, "#all thead button")
    summary = window.find_element(By.CSS_SELECTOR, "#all details summary")
    summary.click()
    assert "ScatterNDUpdate" in window.find_element(By.CSS_SELECTOR, "#all details .full").text
    doubts = window.find_element(By.CSS_SELECTOR, "tr[data-verdict=noisy] .c-verdict details")
    assert doubts.text == "drift, other load"
    doubts.find_element(By.TAG_NAME, "summary").click()
    assert "Stop what else runs on the machine, and run again." in doubts.text


@pytest.mark.parametrize("width", [390, 1440])
def test_body_does_not_scroll_sideways(window: webdriver.Chrome, page: str, width: int) -> None:
    resize(window, width)
    window.get(page)
    for details in window.find_elements(By.CSS_SELECTOR, "details"):
        window.execute_script("arguments[0].open = true", details)
    scroll, inner = window.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scroll == inner <= width


def test_wide_table_scrolls_by_keyboard(window: webdriver.Chrome, page: str) -> None:
    resize(window, 390)
    window.get(page)
    region = window.find_element(By.CSS_SELECTOR, ".scroll.all")
    region.send_keys(Keys.ARROW_RIGHT * 3)
    assert region.get_attribute("role") == "region"
    assert window.switch_to.active_element == region


def test_headings_stay_in_view(window: webdriver.Chrome, page: str) -> None:
    window.get(page)
    moved = window.execute_script(
        "const region = document.querySelector('.scroll.all'); region.scrollTop = 400;"
        "return document.querySelector('#all thead').getBoundingClientRect().top"
        " - region.getBoundingClientRect().top"
    )
    assert abs(moved) <= 2


def test_prints_every_column(window: webdriver.Chrome, page: str) -> None:
    resize(window, 1047)  # A4 landscape with its margins
    browser.media(window, kind="print")
    window.get(page)
    window.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert window.execute_script("return document.documentElement.scrollWidth") <= 1047
    assert "ScatterNDUpdate" in window.find_element(By.CSS_SELECTOR, "#all details .full").text
