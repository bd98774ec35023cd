"""The drawer "explain this number" in a browser; its numbers are computed anew from the raw files."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from integrator.publish import publish
from integrator.site.explain.detail import CONDITIONS, SHARES
from integrator.site.ids import row_id
from integrator.statistics.interval import median_interval
from integrator.store import CampaignStore
from protocol.layout import result_name
from protocol.result import Result
from tests.site import browser, measured
from tests.site.firefox import FIREFOX, firefox

pytestmark = pytest.mark.browser

STEADY = row_id("box", measured.STEADY.id)
WIDE = row_id("box", measured.WIDE.id)
CRASHED = row_id("box", measured.CRASHED.id)
CAMPAIGN = measured.JOB.campaign


@pytest.fixture(scope="session")
def folder(once: Any) -> Path:
    """A campaign's folder with raw results, and its site."""
    made: Path = once("measured", measured.build)
    return made


def raw(folder: Path, test: str, run: int) -> Result:
    """From the copy that the site carries."""
    file = folder / "site/data/raw" / CAMPAIGN / "box" / result_name(test, run)
    return Result.from_gzip(file.read_bytes(), source=file.name)


def latencies(folder: Path, test: str) -> list[Any]:
    results = [raw(folder, test, run) for run in range(measured.RUNS)]
    return [r.samples.latency_ns.values / 1e6 for r in results if r.samples]


def opened(window: webdriver.Chrome, folder: Path, row: str, page: str = "index.html") -> Any:
    """The drawer, by its link, when everything is in it."""
    window.get((folder / "site" / page).as_uri() + f"#explain={row}")
    return drawer(window)


def drawer(window: webdriver.Chrome) -> Any:
    ready = """
        const dialog = document.querySelector("dialog.explain[open]");
        return dialog && !dialog.hasAttribute("aria-busy") && dialog;
    """
    return WebDriverWait(window, 20).until(lambda w: w.execute_script(ready))


def closed(window: webdriver.Chrome) -> bool:
    script = "return !document.querySelector('dialog.explain[open]')"
    return bool(WebDriverWait(window, 20).until(lambda w: w.execute_script(script)))


def titles(element: Any) -> list[str]:
    """The numbers in full, from the tooltips."""
    return [
        figure.get_attribute("title") for figure in element.find_elements(By.CSS_SELECTOR, ".figure[title]")
    ]


def number(text: str) -> float:
    return float(text.split(" ", maxsplit=1)[0].replace(",", ""))


def focused(window: webdriver.Chrome) -> Any:
    return window.switch_to.active_element


def test_a_click_opens_it_and_escape_gives_the_focus_back(window: webdriver.Chrome, folder: Path) -> None:
    window.get((folder / "site/index.html").as_uri())
    before = window.current_url
    link = window.find_element(By.CSS_SELECTOR, f"a[data-row={STEADY}]")
    link.click()
    dialog = drawer(window)
    assert dialog.find_element(By.TAG_NAME, "h2").text == "mobilenet-v2 on box"
    assert dialog.get_attribute("aria-labelledby") == focused(window).get_attribute("id")
    assert window.current_url == f"{before}#explain={STEADY}.{CAMPAIGN}"
    focused(window).send_keys(Keys.ESCAPE)
    assert closed(window)
    assert focused(window) == link
    assert window.current_url.removesuffix("#") == before


def test_a_click_beside_it_closes_it_and_one_inside_does_not(window: webdriver.Chrome, folder: Path) -> None:
    opened(window, folder, "t000000000000")  # with little in it
    for x, y in ((1200, 800), (1000, 400)):
        ActionChains(window).move_by_offset(x, y).click().move_by_offset(-x, -y).perform()
        assert drawer(window)
    ActionChains(window).move_by_offset(100, 400).click().move_by_offset(-100, -400).perform()
    assert closed(window)


def test_the_keyboard_is_enough(window: webdriver.Chrome, folder: Path) -> None:
    window.get((folder / "site/index.html").as_uri())
    link = window.find_element(By.CSS_SELECTOR, f"a[data-row={STEADY}]")
    link.send_keys(Keys.ENTER)
    dialog = drawer(window)
    inside = (
        "return arguments[0].contains(document.activeElement) || document.activeElement === document.body"
    )
    seen = set()
    for _ in range(40):
        focused(window).send_keys(Keys.TAB)
        assert window.execute_script(inside, dialog)
        seen.add(window.execute_script("return document.activeElement.className"))
    assert {"close", "copy", "scroll runs"} <= seen
    window.execute_script("arguments[0].querySelector('button.close').focus()", dialog)
    focused(window).send_keys(Keys.ENTER)
    assert closed(window)
    assert focused(window) == link


def test_back_closes_it_and_forward_opens_it_again(window: webdriver.Chrome, folder: Path) -> None:
    window.get((folder / "site/index.html").as_uri())
    window.find_element(By.CSS_SELECTOR, f"a[data-row={STEADY}]").click()
    drawer(window)
    browser.travel(window, -1)
    assert closed(window)
    browser.travel(window, 1)
    assert drawer(window).find_element(By.TAG_NAME, "h2").text == "mobilenet-v2 on box"
    window.find_element(By.CSS_SELECTOR, "dialog.explain button.close").click()
    assert closed(window)


@pytest.mark.parametrize("page", ["method.html", "data/index.html", f"data/raw/{CAMPAIGN}/box/index.html"])
def test_a_link_opens_it_on_any_page(window: webdriver.Chrome, folder: Path, page: str) -> None:
    dialog = opened(window, folder, f"{WIDE}.{CAMPAIGN}", page)
    assert dialog.find_element(By.TAG_NAME, "h2").text == "mobilenet-v2 on box"
    for link in dialog.find_elements(By.CSS_SELECTOR, "a[href$='.gz'], a[href$='index.html']"):
        assert Path(link.get_attribute("href").removeprefix("file://")).is_file()
    dialog.find_element(By.CSS_SELECTOR, "button.close").click()
    assert closed(window)
    assert "explain" not in window.current_url


@pytest.mark.parametrize(
    ("link", "words"),
    [("t000000000000", "has no test t000000000000"), (f"{STEADY}.other", "no campaign other")],
)
def test_a_link_to_nothing_says_so(window: webdriver.Chrome, folder: Path, link: str, words: str) -> None:
    dialog = opened(window, folder, link)
    assert words in dialog.text
    focused(window).send_keys(Keys.ESCAPE)
    assert closed(window)


def test_every_part_is_there(window: webdriver.Chrome, folder: Path) -> None:
    dialog = opened(window, folder, STEADY)
    sections = [each.get_attribute("id") for each in dialog.find_elements(By.TAG_NAME, "section")]
    parts = ("distribution", "runs", "settings", "conditions", "phases", "versions", "repeat", "links")
    assert sections == [f"explain-{part}" for part in parts]
    versions = dialog.find_element(By.ID, "explain-versions").text
    for fact in ("2026.4.1-22982", "0.1.0", "a" * 64, "image [1, 3, 32, 32] f32", measured.STEADY.id):
        assert fact in versions
    settings = {
        row.find_element(By.TAG_NAME, "th").text: row
        for row in dialog.find_elements(By.CSS_SELECTOR, ".settings tbody tr")
    }
    assert settings["threads"].text.split() == ["threads", "4", "8", "≠", "not", "as", "asked"]
    assert [name for name, row in settings.items() if "≠ not as asked" in row.text] == ["threads"]
    assert "bf16 OpenVINO\u2019s choice ≠ the weights are FP32" in settings["inference precision"].text
    rows = dialog.find_elements(By.CSS_SELECTOR, "#explain-conditions tbody tr")
    assert len(rows) == len(CONDITIONS)
    assert "no sensor" in next(row.text for row in rows if row.text.startswith("temperature before"))
    assert len(rows[0].find_elements(By.TAG_NAME, "td")) == measured.RUNS


def test_the_numbers_are_those_of_the_raw_files(window: webdriver.Chrome, folder: Path) -> None:
    runs = latencies(folder, measured.STEADY.id)
    medians = [float(np.median(run)) for run in runs]
    dialog = opened(window, folder, STEADY)

    value, low, high = titles(dialog.find_element(By.CSS_SELECTOR, ".figures > div"))
    interval: Any = median_interval(medians)
    assert number(value) == pytest.approx(np.median(medians), rel=1e-9)
    assert (number(low), number(high)) == pytest.approx((interval.low, interval.high), rel=1e-9)

    rows = dialog.find_elements(By.CSS_SELECTOR, ".runs tbody tr")
    shown = [[number(text) for text in titles(row)] for row in rows]
    starts = [raw(folder, measured.STEADY.id, run).samples for run in range(measured.RUNS)]
    walls = [float((s.start_ns.values + s.latency_ns.values).max()) / 1e9 for s in starts if s]
    assert [row[0] for row in shown] == pytest.approx(medians, rel=1e-9)
    assert [row[1] for row in shown] == pytest.approx(
        [run.size / wall for run, wall in zip(runs, walls, strict=True)], rel=1e-9
    )
    off = [100 * (median / np.median(medians) - 1) for median in medians]
    # "0" for what would be +0.00, and the sign of mathematics.
    assert [
        float(row.find_elements(By.CSS_SELECTOR, ".soft")[0].text.replace("\u2212", "-")) for row in rows
    ] == pytest.approx(off, abs=0.00501)

    percentiles = {
        row.find_element(By.TAG_NAME, "th").text: row.find_element(By.CSS_SELECTOR, "td")
        for row in dialog.find_elements(By.CSS_SELECTOR, "#explain-distribution tbody tr")
    }
    pooled = np.concatenate(runs)
    p95 = number(titles(percentiles["p95"])[0])
    assert p95 == pytest.approx(np.quantile(pooled, 0.95, method="inverted_cdf"), rel=1e-9)
    assert number(titles(percentiles["maximum"])[0]) == pytest.approx(pooled.max(), rel=1e-9)


def test_a_percentile_that_the_sample_cannot_carry_says_what_is_missing(
    window: webdriver.Chrome, tmp_path: Path
) -> None:
    measured.build(tmp_path)
    for file in (tmp_path / "raw/box").glob(f"{measured.STEADY.id}.*"):
        if ".0." not in file.name:
            file.unlink()
    publish(CampaignStore(tmp_path))
    text = opened(window, tmp_path, STEADY).text
    assert "needs 10 more" in text  # 120 of 130 for p95
    assert "needs 542 more" in text
    assert "no interval: needs 5 more runs" in text


_DESCRIBED = """
    const ids = arguments[0].getAttribute("aria-labelledby").split(" ");
    return ids.map((id) => document.getElementById(id).textContent);
"""
_MARKS = r"""
    const lines = [...arguments[0].querySelectorAll("path.run")];
    const places = (path) => [...path.matchAll(/[MH]([\d.]+)/g)].map(([, x]) => Number(x));
    return lines.map((line) => places(line.getAttribute("d")));
"""


def test_the_distribution_has_a_line_for_each_run_that_passes_through_its_quantiles(
    window: webdriver.Chrome, folder: Path
) -> None:
    for row, test in ((STEADY, measured.STEADY.id), (WIDE, measured.WIDE.id)):
        dialog = opened(window, folder, row)
        svg = dialog.find_element(By.CSS_SELECTOR, "svg.ecdf")
        assert svg.get_attribute("role") == "img"
        described = window.execute_script(_DESCRIBED, svg)
        runs = latencies(folder, test)
        assert "10 runs" in described[1]
        lines = svg.find_elements(By.CSS_SELECTOR, "path.run")
        assert len(lines) == measured.RUNS
        # Two known places fix the scale where it is plain; where it is stretched, order is what can be seen.
        marks = window.execute_script(_MARKS, svg)
        quantiles = np.array(
            [
                np.sort(run)[np.clip(np.ceil(np.array(SHARES) * run.size - 1e-9).astype(int) - 1, 0, None)]
                for run in runs
            ]
        )
        places = np.array(marks)
        assert places.shape == quantiles.shape
        order = np.argsort(quantiles, axis=None)
        assert (np.diff(places.ravel()[order]) >= -0.11).all()
        if test == measured.STEADY.id:
            slope, offset = np.polyfit(quantiles.ravel(), places.ravel(), 1)
            assert np.abs(slope * quantiles + offset - places).max() < 0.2
            value = float(svg.find_element(By.CSS_SELECTOR, "line.value").get_attribute("x1"))
            assert value == pytest.approx(
                slope * np.median([np.median(run) for run in runs]) + offset, abs=0.2
            )


def test_a_failure_gives_its_reason_in_full_and_as_text(window: webdriver.Chrome, folder: Path) -> None:
    dialog = opened(window, folder, CRASHED)
    reason = dialog.find_element(By.CSS_SELECTOR, ".failure .full").get_attribute("textContent")
    assert reason.startswith("run 1 of 10: </script><script>window.owned = 1</script><img")
    assert reason.count("at layer /head/post/Scatter") == 60
    assert "✕ crashed" in dialog.text
    assert dialog.find_elements(By.CSS_SELECTOR, "script, img, svg.ecdf") == []
    assert "another run of this test crashed" in dialog.text
    assert window.execute_script("return window.owned") is None
    for direction in dialog.find_elements(By.CSS_SELECTOR, ".failure bdi"):
        assert direction.is_displayed()


def test_texts_of_a_machine_stay_texts(window: webdriver.Chrome, folder: Path) -> None:
    dialog = opened(window, folder, STEADY)
    dialog.find_element(By.CSS_SELECTOR, "#explain-settings summary").click()
    assert (
        "</script><script>window.owned = 1</script>"
        in dialog.find_element(By.CSS_SELECTOR, ".properties").text
    )
    assert dialog.find_elements(By.CSS_SELECTOR, "script, img") == []
    assert window.execute_script("return window.owned") is None


def test_the_commands_can_be_copied(window: webdriver.Chrome, folder: Path) -> None:
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    window.execute_cdp_cmd("Browser.grantPermissions", permissions)
    dialog = opened(window, folder, STEADY)
    boxes = dialog.find_elements(By.CSS_SELECTOR, "#explain-repeat .command")
    texts = [box.find_element(By.TAG_NAME, "pre").text for box in boxes]
    assert texts[0].startswith("schema_version: 1\nname: repeat\nmachines: [box]")
    assert texts[1] == "fleetmark run --lab lab.yaml --campaign repeat.yaml"
    assert texts[3].startswith("benchmark_app -m model.xml -d CPU -api sync -hint latency")
    assert json.loads(texts[2]) == {"CPU": {"INFERENCE_NUM_THREADS": "4"}}
    assert "without pinning no, LOG_LEVEL LOG_NONE" in dialog.text
    boxes[1].find_element(By.TAG_NAME, "button").click()
    said = WebDriverWait(window, 20).until(
        lambda _: dialog.find_element(By.CSS_SELECTOR, "[role=status]").get_attribute("textContent")
    )
    if said == "Copied":
        script = "navigator.clipboard.readText().then(arguments[0], arguments[0])"
        assert window.execute_async_script(script) == texts[1]
    else:
        assert window.execute_script("return String(getSelection())") == texts[1]


def test_run_values_come_back_in_the_page(window: webdriver.Chrome, folder: Path) -> None:
    window.get((folder / "site/index.html").as_uri())
    script = """
        const [campaign, done] = [arguments[0], arguments[1]];
        (async () => {
            if (!fleetmark.site) await fleetmark.loadScript("assets/manifest.js");
            if (!fleetmark.runs) await fleetmark.loadScript("assets/js/runs.js");
            const found = await fleetmark.runs(campaign, "box");
            const again = await fleetmark.runs(campaign, "box");
            const plain = [...found].map(([row, all]) => [row, [...all.latency], [...all.throughput]]);
            done([found === again, plain]);
        })().catch((error) => done(String(error)));
    """
    same, found = window.execute_async_script(script, CAMPAIGN)
    assert same
    assert [row for row, _, _ in found] == [STEADY, WIDE]
    for (_, latency, throughput), test in zip(found, (measured.STEADY, measured.WIDE), strict=True):
        runs = latencies(folder, test.id)
        assert latency == [float(np.median(run)) for run in runs]
        samples = [raw(folder, test.id, run).samples for run in range(measured.RUNS)]
        walls = [float((s.start_ns.values + s.latency_ns.values).max()) / 1e9 for s in samples if s]
        expected = [test.batch * run.size / wall for run, wall in zip(runs, walls, strict=True)]
        assert throughput == pytest.approx(expected, rel=1e-12)


def test_without_scripts_the_link_leads_to_the_row(window: webdriver.Chrome, folder: Path) -> None:
    browser.scripts(window, on=False)
    window.get((folder / "site/index.html").as_uri())
    link = window.find_element(By.CSS_SELECTOR, f"a[data-row={STEADY}]")
    assert str(link.get_attribute("href")).endswith(f"site/machines/box.html#{STEADY}")
    link.click()
    assert measured.STEADY.model in window.find_element(By.ID, STEADY).text


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_fits_a_phone(window: webdriver.Chrome, folder: Path, colours: str) -> None:
    browser.resize(window, browser.PHONE)
    browser.media(window, colours=colours)
    dialog = opened(window, folder, STEADY)
    script = """
        const right = arguments[0].querySelector("svg").getBoundingClientRect().right;
        return [document.documentElement.scrollWidth, arguments[0].scrollWidth, right];
    """
    widths = window.execute_script(script, dialog)
    assert max(widths) <= browser.PHONE


_AXE = """
    const done = arguments[arguments.length - 1];
    const words = ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`;
    const serious = ({ impact }) => ["serious", "critical"].includes(impact);
    axe.run(document, { resultTypes: ["violations"], preload: false }).then(
        ({ violations }) => done(violations.filter(serious).map(words)), (error) => done([String(error)]));
"""


@pytest.mark.parametrize("width", [browser.DESKTOP, browser.PHONE])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nothing_in_it_keeps_people_out(
    window: webdriver.Chrome, folder: Path, colours: str, width: int
) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    browser.resize(window, width)
    browser.media(window, colours=colours)
    for row in (STEADY, WIDE, CRASHED):
        opened(window, folder, row)
        window.execute_script(axe)
        assert window.execute_async_script(_AXE) == []


def test_it_opens_in_firefox_too(folder: Path, tmp_path: Path) -> None:
    if not FIREFOX.exists():
        pytest.skip(f"Firefox is not installed: no {FIREFOX}")
    with firefox(tmp_path) as fox:
        fox.open((folder / "site/index.html").as_uri() + f"#explain={STEADY}")
        done = "return document.querySelectorAll('dialog.explain[open] svg.ecdf path.run').length"
        for _ in range(100):
            if fox.run(done):
                break
            time.sleep(0.1)
        assert fox.run(done) == measured.RUNS
        assert [error for error in fox.errors() if folder.as_uri() in error] == []


def test_a_campaign_without_details_shows_what_its_row_has(
    window: webdriver.Chrome, sample_site: Path
) -> None:
    window.get((sample_site / "index.html").as_uri())
    row = row_id("xeon-8480", "bert-base-uncased-sync")
    window.execute_script("fleetmark.explain(arguments[0])", row)
    dialog = drawer(window)
    assert dialog.find_element(By.TAG_NAME, "h2").text == "bert-base-uncased on xeon-8480"
    assert "no runs and no settings" in dialog.text
    assert dialog.find_element(By.CSS_SELECTOR, ".figures .value").text
