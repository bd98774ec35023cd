"""The page of comparisons in a browser, from a folder."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from integrator.site.build import build_site
from integrator.statistics.compare import compare, mean_by_group
from tests.site import browser
from tests.site.released import BASE, HOSTILE, campaign, releases
from tests.site.synthetic import lab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lab of three machines, in two campaigns."""
    campaigns = [lab(machines=3, models=4, rows=240, campaign=number) for number in range(2)]
    return build_site(tmp_path_factory.mktemp("lab") / "site", campaigns).with_name("compare.html").as_uri()


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("released") / "site"
    return build_site(folder, releases()).with_name("compare.html").as_uri()


def go(window: webdriver.Chrome, url: str) -> None:
    window.get("about:blank")
    window.get(url)
    settle(window)


def settle(window: webdriver.Chrome) -> None:
    """Until the comparison that the address means is drawn, or said not to be possible."""
    ready = "const h = document.querySelector('#headline'); return h.children.length > 0 && !h.ariaBusy"
    WebDriverWait(window, 20).until(lambda driver: driver.execute_script(ready))


def answer(window: webdriver.Chrome) -> str:
    """In one step: the page may be about to draw another."""
    script = "return document.querySelector('#headline .answer')?.innerText ?? ''"
    found: str = window.execute_script(script)
    return found


def pick(window: webdriver.Chrome, name: str, value: str) -> None:
    Select(window.find_element(By.CSS_SELECTOR, f".sides [name={name}]")).select_by_value(value)
    settle(window)


def picked(window: webdriver.Chrome) -> dict[str, str]:
    names = ("a", "ca", "ra", "b", "cb", "rb", "m")
    return {
        name: str(window.find_element(By.CSS_SELECTOR, f".sides [name={name}]").get_property("value"))
        for name in names
    }


def column(window: webdriver.Chrome, place: int) -> list[str]:
    script = (
        "return [...document.querySelectorAll('.pairs tbody tr')].map((r) => r.cells[arguments[0]].innerText)"
    )
    found: list[str] = window.execute_script(script, place)
    return found


def downloaded(window: webdriver.Chrome, folder: Path, kind: str) -> str:
    for old in folder.iterdir():
        old.unlink()
    window.find_element(By.CSS_SELECTOR, f"#rows button[name={kind}]").click()
    WebDriverWait(window, 20).until(lambda _: list(folder.glob(f"*.{kind}")))
    (file,) = folder.glob(f"*.{kind}")
    return file.read_text(encoding="utf-8")


def test_the_numbers_are_pythons(window: webdriver.Chrome, site: str, downloads: Path) -> None:
    go(window, f"{site}#a=nuc-13&b=xeon-8480&m=latency")
    value = json.loads(downloaded(window, downloads, "json"))
    newest = lab(machines=3, models=4, rows=240, campaign=1)
    runs = newest.runs.groupby(["machine", "test_id"])["latency_ms"].apply(list)
    table = newest.table.set_index(["machine", "test_id"])
    ratios: list[float | None] = []
    outcomes = set()
    assert len(value["rows"]) == 80
    for row in value["rows"]:
        pair = [("nuc-13", row["configuration"]), ("xeon-8480", row["configuration"])]
        counted = all(
            table.loc[key, "status"] == "ok" and table.loc[key, "verdict"] == "valid" for key in pair
        )
        assert row["counted"] == counted
        ratios.append(None)
        if not all(table.loc[key, "status"] == "ok" for key in pair):
            assert row["ratio"] is None
            continue
        expected = compare(runs[pair[0]], runs[pair[1]])
        assert row["outcome"] == expected.outcome
        assert row["reason"] == expected.reason
        assert row["ratio"] == pytest.approx(expected.ratio, rel=1e-12)
        assert [row["ratio_low"], row["ratio_high"]] == pytest.approx(
            list(expected.interval or ()), rel=1e-12
        )
        ratios[-1] = expected.ratio if counted else None
        outcomes.add(expected.outcome)
    mean = mean_by_group(ratios, [row["model"] for row in value["rows"]])
    assert value["mean"]["ratio"] == pytest.approx(mean.ratio, rel=1e-12)
    assert [value["mean"]["low"], value["mean"]["high"]] == pytest.approx(
        list(mean.interval or ()), rel=1e-12
    )
    assert (value["mean"]["known"], value["mean"]["of"]) == (mean.known, mean.of)
    assert f"{mean.known} of 80 configurations" in window.find_element(By.CSS_SELECTOR, "#headline .of").text
    assert outcomes == {"faster"}
    assert "xeon-8480 is" in answer(window)
    assert answer(window).startswith("▲")  # a latency of less than one is faster


def test_picking_swapping_and_the_way_back(window: webdriver.Chrome, site: str) -> None:
    go(window, site)
    assert picked(window)["a"] == "edge-n100"
    assert "#" not in window.current_url
    first = answer(window)
    pick(window, "b", "xeon-8480")
    second = answer(window)
    assert "xeon-8480 is" in second
    pick(window, "m", "latency")
    window.find_element(By.NAME, "swap").click()
    settle(window)
    assert picked(window)["a"] == "xeon-8480"
    assert "edge-n100 is" in answer(window)
    assert answer(window).startswith("▼")
    url, swapped = window.current_url, answer(window)
    browser.travel(window, -1)
    WebDriverWait(window, 20).until(lambda _: picked(window)["b"] == "xeon-8480")
    settle(window)
    browser.travel(window, -1)
    browser.travel(window, -1)
    WebDriverWait(window, 20).until(lambda _: answer(window) == first)
    browser.travel(window, 1)
    WebDriverWait(window, 20).until(lambda _: answer(window) == second)
    go(window, url)
    assert answer(window) == swapped
    assert picked(window)["m"] == "latency"


def test_a_campaign_against_an_earlier_one(window: webdriver.Chrome, site: str) -> None:
    go(window, f"{site}#a=nuc-13&b=nuc-13")
    chosen = picked(window)
    assert [chosen[name] for name in ("a", "ca", "b", "cb")] == [
        "nuc-13",
        "lab-2026-06",
        "nuc-13",
        "lab-2026-07",
    ]
    assert "times as fast" in answer(window)
    ratio, low, high = re.findall(r"\d+\.\d+", answer(window).split(" is ")[1])[:3]
    assert float(low) <= float(ratio) <= float(high)
    assert len(ratio) == len(low) > 4  # the ends are told apart by the fourth digit alone
    assert window.find_element(By.CSS_SELECTOR, "#headline .badge").text == "differs in: kernel"
    rows = window.find_element(By.CSS_SELECTOR, "#differences table").text
    assert "6.1.0-28-amd64" in rows
    assert "6.1.0-29-amd64" in rows
    assert set(column(window, 5)) == {"differs in: kernel"}


def test_a_link_to_what_is_gone_shows_the_nearest(window: webdriver.Chrome, site: str) -> None:
    go(window, f"{site}#a=gone&b=nuc-13&cb=long-ago")
    notes = window.find_element(By.ID, "notes").text
    assert "“gone” is not on this site; A shows edge-n100" in notes
    assert "no campaign “long-ago” with nuc-13" in notes
    assert "nuc-13 is" in answer(window)
    go(window, f"{site}#a=nuc-13&b=nuc-13&ca=lab-2026-07")
    assert "A and B are the same" in window.find_element(By.ID, "notes").text
    assert answer(window).startswith("≈ B nuc-13 is 1.00 times")


def test_sorting_and_filtering(window: webdriver.Chrome, site: str) -> None:
    go(window, f"{site}#a=edge-n100&b=nuc-13")
    assert len(column(window, 3)) == 50
    button = window.find_element(By.CSS_SELECTOR, "th[data-key=ratio] button")
    button.click()
    shown = [float(text.split("\n")[0]) for text in column(window, 3) if text[0].isdigit()]
    assert shown == sorted(shown)
    assert window.switch_to.active_element.text == "ratio B ÷ A"
    window.find_element(By.CSS_SELECTOR, "th[data-key=ratio] button").click()
    header = window.find_element(By.CSS_SELECTOR, "th[data-key=ratio]")
    assert header.get_attribute("aria-sort") == "descending"
    Select(window.find_element(By.CSS_SELECTOR, "#rows select")).select_by_value("out")
    verdicts = column(window, 4)
    assert verdicts
    assert all(text.startswith(("not counted", "no ratio")) for text in verdicts)
    coloured = "#rows [class*=fast-], #rows [class*=slow-]"
    assert window.find_elements(By.CSS_SELECTOR, coloured) == []
    assert "show=out" in window.current_url
    assert "sort=ratio" in window.current_url
    browser.travel(window, -1)
    assert len(column(window, 3)) == 50


def test_by_keyboard_alone(window: webdriver.Chrome, site: str) -> None:
    go(window, site)
    select = window.find_element(By.CSS_SELECTOR, ".sides [name=b]")
    window.execute_script("arguments[0].focus()", select)
    select.send_keys("x")
    settle(window)
    WebDriverWait(window, 20).until(lambda _: "xeon-8480 is" in answer(window))
    for _ in range(4):
        window.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
        if window.switch_to.active_element.get_attribute("name") == "swap":
            break
    window.switch_to.active_element.send_keys(Keys.ENTER)
    WebDriverWait(window, 20).until(lambda _: "edge-n100 is" in answer(window))
    link = window.find_element(By.CSS_SELECTOR, "#matrix td a")
    window.execute_script("arguments[0].focus()", link)
    link.send_keys(Keys.ENTER)
    assert window.switch_to.active_element.get_attribute("id") == "result-title"


def test_a_number_explains_itself(window: webdriver.Chrome, site: str) -> None:
    go(window, f"{site}#a=nuc-13&b=nuc-13")
    link = window.find_element(By.CSS_SELECTOR, ".pairs td a[data-row]")
    assert link.get_attribute("data-campaign") == "lab-2026-06"
    link.click()
    drawer = WebDriverWait(window, 20).until(
        lambda driver: driver.find_element(By.CSS_SELECTOR, "dialog.explain[open]:not([aria-busy])")
    )
    assert "June 2026" in drawer.text or "lab-2026-06" in drawer.text
    assert "a=nuc-13" in window.current_url


def test_releases_of_one_machine(window: webdriver.Chrome, released: str, downloads: Path) -> None:
    go(window, f"{released}#a=alpha&b=alpha&ca=now&cb=now")
    assert (picked(window)["ra"], picked(window)["rb"]) == ("2025.4", "2026.1")
    assert "is 1.201 times as fast" in answer(window)
    assert window.find_element(By.CSS_SELECTOR, "#headline .badge").text == "differs in: OpenVINO"
    value = json.loads(downloaded(window, downloads, "json"))
    assert [row["configuration"] for row in value["rows"]] == [
        replace(BASE, batch=batch, model=model).test_id() for model in ("resnet", HOSTILE) for batch in (1, 2)
    ]
    assert value["a"] == {"machine": "alpha", "campaign": "now", "openvino": "2025.4"}
    pick(window, "ca", "before")
    assert "4 of 4" not in window.find_element(By.ID, "headline").text
    assert "2 of 4 configurations" in window.find_element(By.ID, "headline").text
    assert "1 noisy on A" in window.find_element(By.ID, "headline").text
    assert "1 out of memory on A" in window.find_element(By.ID, "headline").text
    assert "differs in: kernel, OpenVINO" in window.find_element(By.ID, "headline").text


def test_machines_by_all_releases(window: webdriver.Chrome, released: str) -> None:
    go(window, f"{released}#a=alpha&b=beta")
    assert (picked(window)["ra"], picked(window)["rb"]) == ("*", "*")
    assert "8 of 8 configurations" in window.find_element(By.ID, "headline").text
    badges = window.find_elements(By.CSS_SELECTOR, "#rows .badge")
    assert {badge.get_attribute("title") for badge in badges} == {
        "differs in: CPU, streams, effective precision"
    }
    facts = window.find_element(By.CSS_SELECTOR, "#differences table").text
    assert "Unknown on one side" in facts
    assert "kernel" in facts.partition("Unknown on one side")[2]
    go(window, f"{released}#a=gamma&b=beta")
    assert "gamma is not in the newest campaign" in window.find_element(By.ID, "notes").text


def test_hostile_names_are_text(window: webdriver.Chrome, released: str, downloads: Path) -> None:
    go(window, f"{released}#a=alpha&b=beta")
    assert not window.find_elements(By.CSS_SELECTOR, "#rows b b, #strip b, #differences td b")
    assert HOSTILE in str(window.find_element(By.CSS_SELECTOR, "#rows").get_property("textContent"))
    rows = list(csv.reader(io.StringIO(downloaded(window, downloads, "csv"))))
    assert len(rows) == 9
    assert {len(row) for row in rows} == {len(rows[0])}
    assert {row[rows[0].index("model")] for row in rows[1:]} == {"resnet", f"'{HOSTILE}"}
    assert float(rows[1][rows[0].index("ratio")]) == pytest.approx(3, rel=0.02)
    assert rows[1][rows[0].index("throughput_fps_a")]


def test_without_scripts_the_matrix_is_there(window: webdriver.Chrome, site: str) -> None:
    browser.scripts(window, on=False)
    window.get(site)
    assert not window.find_element(By.CSS_SELECTOR, "section.compare").is_displayed()
    cells = [cell.text.split() for cell in window.find_elements(By.CSS_SELECTOR, "#matrix tbody td")]
    assert len(cells) == 9
    assert [cells[place][0] for place in (1, 2, 3)] == ["▼", "▼", "▲"]
    assert "needs scripts" in window.find_element(By.TAG_NAME, "noscript").text


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_does_not_scroll_sideways(window: webdriver.Chrome, released: str, width: int) -> None:
    browser.resize(window, width)
    go(window, f"{released}#a=alpha&b=beta")
    for details in window.find_elements(By.CSS_SELECTOR, "details"):
        window.execute_script("arguments[0].open = true", details)
    sizes = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scroll, inner = window.execute_script(sizes)
    assert scroll == inner <= width


@pytest.mark.parametrize("kind", ["empty", "one", "failures"])
def test_little_to_compare(window: webdriver.Chrome, tmp_path: Path, kind: str) -> None:
    kinds: dict[str, list[dict[str, Any]]] = {
        "empty": [],
        "one": [{"machine": "alpha", "setting": BASE, "runs": [1.0, 2.0]}],
        "failures": [
            {"machine": name, "setting": BASE, "runs": [], "status": "crashed", "reason": "signal 11"}
            for name in ("alpha", "beta")
        ],
    }
    page = build_site(tmp_path / "site", [campaign("c", 1, kinds[kind])]).with_name("compare.html").as_uri()
    window.get(page)
    if kind == "empty":
        assert not window.find_element(By.CSS_SELECTOR, "section.compare").is_displayed()
        assert "fewer than two machines" in window.find_element(By.ID, "matrix").text
        return
    settle(window)
    said = answer(window)
    if kind == "one":
        assert "1.00 times" in said
        assert "needs 1 more configuration" in said
    else:
        assert "no configuration in common that is ok and valid" in said
        assert "crashed" in column(window, 1)[0]
