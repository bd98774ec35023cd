"""The explorer's pivot: its numbers, and colours only where a difference is known."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.site.explorer import (
    Browser,
    Built,
    build,
    click,
    column,
    digits,
    download,
    ids,
    open_page,
    pivot_cells,
    shown,
)
from tests.site.synthetic import lab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("explore")
    site = build(folder, lab(machines=6, models=5, rows=720), lab(machines=5, models=5, rows=100, campaign=1))
    return (folder / "explore.html").as_uri(), site.frame


@pytest.mark.parametrize("how", ["best", "median", "geomean"])
@pytest.mark.parametrize(("measure", "lower"), [("latency_ms", True), ("throughput_fps", False)])
def test_pivots(window: Browser, small: Built, how: str, measure: str, lower: bool) -> None:
    address, frame = small
    open_page(window, f"{address}#view=pivot&measure={measure}&agg={how}&scenario=%2Bsync&base=none")
    own = frame[(frame["scenario"] == "sync") & frame["rank_ok"]]
    best = min if lower else max
    aggregates: dict[str, Callable[[list[float]], float]] = {
        "best": best,
        "median": statistics.median,
        "geomean": statistics.geometric_mean,
    }
    tests: dict[tuple[str, str], list[float]] = {}
    for row in own.to_dict("records"):
        tests.setdefault((str(row["model"]), str(row["machine"])), []).append(float(row[measure]))
    values = {place: aggregates[how](of) for place, of in tests.items()}
    cells = pivot_cells(window)
    assert set(cells) == set(frame[["model", "machine"]].itertuples(index=False, name=None))
    for place, value in values.items():
        assert digits(cells[place]["text"]) == pytest.approx(value, rel=0.006)
        assert "better" not in cells[place]["style"]
        assert "worse" not in cells[place]["style"]
    for model in {model for model, _ in values}:
        line = {place: value for place, value in values.items() if place[0] == model}
        assert {line[place] for place in line if cells[place]["best"]} == {best(line.values())}


def test_latencies_of_sync_and_async_are_not_mixed(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, f"{address}#view=pivot&measure=latency_ms&agg=median&base=none")
    assert "sync tests alone" in window.find_element(By.CSS_SELECTOR, "table.pivot caption").text
    own = frame[(frame["scenario"] == "sync") & frame["rank_ok"]]
    cell = pivot_cells(window)["resnet50", "nuc-13"]
    tests = own[(own["model"] == "resnet50") & (own["machine"] == "nuc-13")]["latency_ms"]
    assert digits(cell["text"]) == pytest.approx(tests.median(), rel=0.006)
    click(window, window.find_element(By.CSS_SELECTOR, "table.pivot tbody td.number a"))
    assert set(column(window, "scenario")) == {"sync"}
    open_page(window, f"{address}#view=pivot&measure=latency_ms&cols=scenario&base=none")
    assert "sync tests alone" not in window.find_element(By.CSS_SELECTOR, "table.pivot caption").text
    assert {column for _, column in pivot_cells(window)} == {"async", "sync"}


def test_colours_only_what_is_known_to_differ(window: Browser, small: Built) -> None:
    address, frame = small
    where = "precision=%2BFP32&scenario=%2Bsync&batch=%2B1"
    open_page(window, f"{address}#view=pivot&measure=latency_ms&base=machine:nuc-13&{where}")
    own = frame[(frame["precision"] == "FP32") & (frame["scenario"] == "sync") & (frame["batch"] == 1)]
    cells = pivot_cells(window)
    seen = set()
    assert not own.duplicated(["model", "machine"]).any()
    for row in own.to_dict("records"):
        place = str(row["model"]), str(row["machine"])
        cell = cells[place]
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


def test_a_baseline_that_is_filtered_away_is_still_one(window: Browser, small: Built) -> None:
    address, _ = small
    where = "machine=%2Bedge-n100&view=pivot&measure=latency_ms&base=machine:xeon-8480&scenario=%2Bsync"
    open_page(window, f"{address}#{where}&precision=%2BFP32&batch=%2B1")
    styles = [cell["style"] for cell in pivot_cells(window).values()]
    assert any("worse-5" in style for style in styles)


def test_machines_say_in_what_they_differ(window: Browser, small: Built, downloads: Path) -> None:
    address, _ = small
    open_page(window, f"{address}#view=pivot&base=machine:nuc-13")
    headings = window.find_elements(By.CSS_SELECTOR, "table.pivot thead th.number")
    told = {
        heading.find_element(By.TAG_NAME, "bdi").text: [
            each.get_attribute("title") for each in heading.find_elements(By.CSS_SELECTOR, ".differs")
        ]
        for heading in headings
    }
    assert told.pop("nuc-13") == []
    assert all(len(words) == 1 and str(words[0]).startswith("differs in: ") for words in told.values())
    assert "CPU governor" in str(told["edge-n100"])  # and the CPU, as that of every other machine
    cells = json.loads(download(window, downloads, "json"))["cells"]
    for cell in cells:
        if cell["ratio"] is not None and cell["machine"] != "nuc-13":
            assert [cell["comparability"]] == told[cell["machine"]]


def test_a_cell_of_several_tests_leads_to_them(window: Browser, small: Built) -> None:
    address, frame = small
    open_page(window, f"{address}#view=pivot&agg=median&scenario=%2Basync&base=none")
    model, machine = next(place for place, cell in pivot_cells(window).items() if cell["text"][0].isdigit())
    click(window, window.find_element(By.CSS_SELECTOR, "table.pivot tbody td.number a"))
    own = frame[(frame["scenario"] == "async") & (frame["machine"] == machine)]
    expected = own[own["model"] == model]
    assert set(ids(window)) == set(expected["row"])


def test_downloads_the_pivot(window: Browser, small: Built, downloads: Path) -> None:
    address, _ = small
    open_page(window, f"{address}#view=pivot&scenario=%2Bsync&batch=%2B1&precision=%2BFP32")
    cells = pivot_cells(window)
    lines = list(csv.DictReader(io.StringIO(download(window, downloads, "csv"))))
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
    content = json.loads(download(window, downloads, "json"))
    assert content["measure"] == "throughput_fps"
    assert len(content["cells"]) == len(cells)


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One machine is the fastest of all, and too few runs gave it no interval."""
    folder = tmp_path_factory.mktemp("unsure")
    campaign = lab(machines=4, models=3, rows=72)
    here = campaign.table["machine"] == "xeon-8480"
    for end in ("throughput_low_fps", "throughput_high_fps"):
        campaign.table.loc[here, end] = "needs 3 more runs"
    site = build(folder, campaign)
    return (folder / "explore.html").as_uri(), site.frame


def test_what_has_no_interval_is_not_ranked(window: Browser, unsure: Built) -> None:
    address, frame = unsure
    open_page(window, f"{address}#view=pivot&measure=throughput_fps")
    cells = pivot_cells(window)
    fastest = frame[frame["rank_ok"]].sort_values("throughput_fps").drop_duplicates("model", keep="last")
    assert set(fastest["machine"]) == {"xeon-8480"}
    for (_, machine), cell in cells.items():
        if machine == "xeon-8480" and "failed" not in cell["style"]:
            assert not cell["best"]
            assert "×" not in cell["text"]
            assert "no interval" in cell["text"]
    assert sum(cell["best"] for cell in cells.values()) == 3


def test_a_note_in_place_of_a_number_is_found(window: Browser, unsure: Built) -> None:
    address, frame = unsure
    open_page(window, f"{address}#q=more+runs")
    noted = frame["throughput_low_fps__note"] == "needs 3 more runs"
    assert shown(window) == noted.sum() > 0


def test_a_measure_without_intervals_has_no_best(window: Browser, unsure: Built) -> None:
    address, _ = unsure
    open_page(window, f"{address}#view=pivot&measure=compile_ms")
    cells = pivot_cells(window)
    assert any("×" in cell["text"] for cell in cells.values())
    assert not any(cell["best"] for cell in cells.values())


def test_a_ratio_of_other_settings_says_so(window: Browser, small: Built, downloads: Path) -> None:
    address, frame = small
    open_page(window, f"{address}#view=pivot&measure=throughput_fps&base=machine:nuc-13")
    cells = pivot_cells(window)
    labels = frame.set_index("row")["label"]
    tests = frame.set_index("row")["test_id"]
    marked = {True: 0, False: 0}
    for (model, machine), cell in cells.items():
        base = cells[model, "nuc-13"]
        if machine == "nuc-13" or "×" not in cell["text"] or not base["link"]:
            continue
        other = tests[cell["link"]] != tests[base["link"]]
        marked[other] += 1
        assert ("other settings" in cell["text"]) == other
    assert min(marked.values()) > 0
    found = json.loads(download(window, downloads, "json"))["cells"]
    for cell in (cell for cell in found if cell["ratio"] is not None):
        assert cell["settings"] == labels[cells[cell["model"], cell["machine"]]["link"]]
        assert cell["baseline_settings"] == labels[cells[cell["model"], "nuc-13"]["link"]]


def test_ratios_have_three_digits(window: Browser, small: Built) -> None:
    address, _ = small
    open_page(window, f"{address}#view=pivot&measure=throughput_fps&base=machine:xeon-8480")
    ratios = [
        each.text for each in window.find_elements(By.CSS_SELECTOR, "table.pivot .ratio") if each.text != "1×"
    ]
    assert ratios
    for text in ratios:
        digits_of = text.split("×")[0].lstrip("▲▼≈?").replace(",", "").replace(".", "").lstrip("0")
        assert len(digits_of) >= 3, text
