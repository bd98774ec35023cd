"""The explorer's table in a browser, from a folder: what is shown is what the rows are."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.site import browser
from tests.site.explorer import (
    Browser,
    Built,
    build,
    click,
    column,
    counts,
    digits,
    download,
    heading,
    ids,
    open_page,
    option,
    part,
    settle,
    shown,
    sort_button,
)
from tests.site.synthetic import lab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("explore")
    site = build(folder, lab(machines=6, models=5, rows=720), lab(machines=5, models=5, rows=100, campaign=1))
    return (folder / "explore.html").as_uri(), site.frame


@pytest.mark.parametrize(("key", "first"), [("latency_ms", "ascending"), ("throughput_fps", "descending")])
def test_sorts_by_numbers(window: Browser, small: Built, key: str, first: str) -> None:
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
        browser.travel(window, -1)
    click(window, sort_button(window, key))
    assert heading(window, key).get_attribute("aria-sort") is None
    assert "sort" not in window.current_url


_SORT = """
    const [values, direction] = arguments;
    const numbers = Float64Array.from(values, (value) => (value === null ? NaN : Number(value)));
    const rows = { length: numbers.length, columns: ["x"], isNumber: () => true, numbers: () => numbers };
    const all = Uint32Array.from(numbers, (_, i) => i);
    return [...new fleetmark.explore.Data(rows).sorted(all, "x", direction)];
"""


def test_sorts_any_numbers(window: Browser, small: Built) -> None:
    open_page(window, small[0])
    random = np.random.default_rng(5)
    values = [*random.normal(0, 1e3, 300), *random.integers(-3, 3, 300), 5e-324, -5e-324, 1e308, -1e308, 0.0]
    values += [None] * 20
    random.shuffle(values)
    sent = [None if value is None else repr(float(value)) for value in values]
    known = [at for at, value in enumerate(values) if value is not None]
    missing = [at for at, value in enumerate(values) if value is None]
    for direction, sign in (("asc", 1), ("desc", -1)):
        expected = sorted(known, key=lambda at: sign * float(values[at]))
        assert window.execute_script(_SORT, sent, direction) == expected + missing


def test_facets_filter_and_count(window: Browser, small: Built) -> None:
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
    # Values that no row is left with are greyed, and stay.
    streams = window.find_element(By.CSS_SELECTOR, "details.facet[data-key=streams]")
    click(window, streams.find_element(By.TAG_NAME, "summary"))
    left = {f"{value:g}" if value == value else "(none)" for value in own["streams"]}  # noqa: PLR0124
    grey = {item.text.split("\n")[0] for item in streams.find_elements(By.CSS_SELECTOR, "li.dead")}
    assert grey == set(counts(window, "streams")) - left
    assert grey
    assert [pill.text.split("\n")[0] for pill in window.find_elements(By.CSS_SELECTOR, ".pill bdi")] == [
        "machine: nuc-13",
        "scenario: sync",
    ]
    click(window, window.find_element(By.CSS_SELECTOR, ".pill[data-key=machine] button"))
    assert shown(window) == (frame["scenario"] == "sync").sum()
    click(window, part(window, "reset"))
    assert shown(window) == len(frame)
    assert "#" not in window.current_url


def test_most_values_are_written_as_the_others(window: Browser, small: Built, tmp_path: Path) -> None:
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


def test_searches_words(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, address)
    part(window, "search").send_keys("MEMORY edge")
    expected = frame[(frame["status"] == "out_of_memory") & frame["machine"].str.contains("edge")]
    assert len(expected) > 0
    assert shown(window) == len(expected)
    assert ids(window) == list(expected["row"].head(50))
    part(window, "search").send_keys(" nowhere")
    assert shown(window) == 0
    assert "No row has all of this." in part(window, "table").text
    assert "q=MEMORY+edge+nowhere" in window.current_url


def test_a_link_leads_back(window: Browser, small: Built) -> None:
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


def test_back_and_forward(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, address)
    click(window, option(window, "scenario", "async"))
    click(window, window.find_element(By.CSS_SELECTOR, "input[value=pivot]"))
    browser.travel(window, -1)
    assert not part(window, "pivot").is_displayed()
    assert shown(window) == (frame["scenario"] == "async").sum()
    browser.travel(window, -1)
    assert shown(window) == len(frame)
    assert not option(window, "scenario", "async").is_selected()
    browser.travel(window, 1)
    browser.travel(window, 1)
    assert part(window, "pivot").is_displayed()


def test_pages_are_in_the_address(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, f"{address}#page=3")
    assert ids(window) == list(frame["row"].iloc[100:150])
    click(window, window.find_element(By.CSS_SELECTOR, "[aria-label=Next]"))
    assert window.current_url.endswith("#page=4")
    browser.travel(window, -1)
    assert ids(window) == list(frame["row"].iloc[100:150])
    # A filter begins at the first page, and the way back is the third.
    click(window, option(window, "machine", "nuc-13"))
    assert ids(window) == list(frame[frame["machine"] == "nuc-13"]["row"].head(50))
    browser.travel(window, -1)
    assert ids(window) == list(frame["row"].iloc[100:150])
    open_page(window, f"{address}#page=99999&machine=%2Bnuc-13")
    assert ids(window)[-1] == frame[frame["machine"] == "nuc-13"]["row"].iloc[-1]


def test_columns_are_chosen(window: Browser, small: Built) -> None:
    address, _ = small
    open_page(window, address)
    part(window, "column-menu").click()
    for key in ("compile", "batch"):
        label = window.find_element(
            By.XPATH, f"//details[@data-part='column-menu']//label[starts-with(., '{key}')]"
        )
        click(window, label)
    headings = window.execute_script(
        "return [...document.querySelectorAll('table.rows thead th')].map((th) => th.dataset.key)"
    )
    assert "compile_ms" in headings
    assert "batch" not in headings
    url = window.current_url
    open_page(window, url)
    assert headings == window.execute_script(
        "return [...document.querySelectorAll('table.rows thead th')].map((th) => th.dataset.key)"
    )


def test_numbers_link_to_their_row(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, f"{address}#verdict=%2Bnoisy")
    first = frame[frame["verdict"] == "noisy"].iloc[0]
    link = window.find_element(By.CSS_SELECTOR, "td.c-latency_ms a")
    assert link.get_attribute("data-row") == first["row"]
    assert str(link.get_attribute("href")).endswith(first["href"])
    assert f"{first['latency_ms']:,.12g} ms; 95 % interval" in str(link.get_attribute("title"))
    assert column(window, "latency_ms")[0].replace("\n", " ").startswith(f"{first['latency_ms']:.3g}"[:3])
    assert "noisy" in window.find_element(By.CSS_SELECTOR, "td.c-latency_ms").text


def test_downloads_what_is_shown(window: Browser, small: Built, downloads: Path) -> None:
    address, frame = small
    open_page(
        window, f"{address}#columns=%2Bmachine,model,latency_ms,reason&scenario=%2Bsync&sort=-latency_ms"
    )
    expected = frame[frame["scenario"] == "sync"].sort_values("latency_ms", ascending=False, kind="stable")
    lines = list(csv.reader(io.StringIO(download(window, downloads, "csv"))))
    assert lines[0] == ["machine", "model", "latency_ms", "reason"]
    for line, row in zip(lines[1:], expected.to_dict("records"), strict=True):
        assert [line[0], line[1], line[3]] == [row["machine"], row["model"], row["reason"]]
        assert line[2] == "" if math.isnan(row["latency_ms"]) else float(line[2]) == row["latency_ms"]
    content = json.loads(download(window, downloads, "json"))
    assert content["filters"] == {"scenario": "+sync"}
    assert [each["latency_ms"] for each in content["rows"]] == [
        None if math.isnan(value) else value for value in expected["latency_ms"]
    ]


def test_a_number_explains_itself(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, f"{address}#machine=%2Bnuc-13")
    click(window, window.find_element(By.CSS_SELECTOR, "td.c-latency_ms a"))
    WebDriverWait(window, 20).until(lambda each: each.find_element(By.TAG_NAME, "dialog").is_displayed())
    first = frame[frame["machine"] == "nuc-13"].iloc[0]
    assert f"explain={first['row']}" in window.current_url
    assert "machine=%2Bnuc-13" in window.current_url
    browser.travel(window, -1)
    assert not window.find_element(By.TAG_NAME, "dialog").is_displayed()
    assert shown(window) == (frame["machine"] == "nuc-13").sum()


def test_with_the_keyboard_alone(window: Browser, small: Built) -> None:
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
    tab_to("e.name === 'view'")
    window.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert part(window, "pivot").is_displayed()
    window.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    tab_to("e.closest('th')?.dataset.key === 'latency_ms'")
    window.switch_to.active_element.send_keys(Keys.ENTER)
    settle(window)
    assert ids(window)[0] == own.sort_values("latency_ms", kind="stable")["row"].iloc[0]


def test_presets_and_campaigns(window: Browser, small: Built) -> None:
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
    browser.travel(window, -1)
    Select(part(window, "campaign")).select_by_value("lab-2026-07")
    WebDriverWait(window, 10).until(lambda each: "campaign=lab-2026-07" in each.current_url)
    WebDriverWait(window, 10).until(lambda each: part(each, "shown").text.endswith(" of 100 rows"))


def test_the_pager_and_a_number_are_in_view_when_the_page_opens(window: Browser, lab_site: Path) -> None:
    """On a desktop all usual columns and the pager; on a phone each machine's first number."""
    address = (lab_site / "explore.html").as_uri()
    open_page(window, address)
    pager = window.find_element(By.CSS_SELECTOR, ".dt-paging").rect
    assert pager["y"] + pager["height"] <= 900
    region = window.find_element(By.CSS_SELECTOR, "[data-part=table]")
    width: int
    room: int
    width, room = window.execute_script("return [arguments[0].scrollWidth, arguments[0].clientWidth]", region)
    assert width <= room
    browser.resize(window, browser.PHONE)
    open_page(window, address)
    number = window.find_element(By.CSS_SELECTOR, ".rows tbody td.number").rect
    assert number["x"] + number["width"] <= browser.PHONE


def test_who_has_a_keyboard_only_passes_the_filters_in_one_step(window: Browser, small: Built) -> None:
    """And what leads to the content leaves the state in the address alone."""
    open_page(window, f"{small[0]}#scenario=%2Bsync")
    asked = window.current_url
    window.switch_to.active_element.send_keys(Keys.TAB)
    window.switch_to.active_element.send_keys(Keys.ENTER)
    assert window.switch_to.active_element.get_attribute("id") == "content"
    window.switch_to.active_element.send_keys(Keys.TAB)
    assert window.switch_to.active_element.text == "Skip the filters"
    window.switch_to.active_element.send_keys(Keys.ENTER)
    assert window.switch_to.active_element.get_attribute("data-part") == "search"
    assert window.current_url == asked
