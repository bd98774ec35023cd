"""What holds for every page, whatever it shows: found by walking the folder of the built site."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.site import browser, soundness
from tests.site.browser import DESKTOP, PHONE

pytestmark = pytest.mark.browser

AXE = files("axe_playwright_python").joinpath("axe.min.js")
PAGE_KB, SCRIPTS_KB = 60, 500

_RUN_AXE = """
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ["violations"], preload: false }).then(
        (found) => done(found.violations.filter((each) => ["serious", "critical"].includes(each.impact)).map(
            (each) => `${each.id} (${each.help}): ` + each.nodes.slice(0, 4).map(
                (node) => `${node.target.join(" ")} [${node.any.concat(node.all, node.none)
                    .map((check) => check.message).join("; ").slice(0, 240)}]`).join(" | ")
                + ` (${each.nodes.length} in all)`)),
        (error) => done([String(error)]));
"""
_UNREACHABLE = """
    const controls = "a[href], button, input, select, textarea, summary, [role=button]";
    return [...document.querySelectorAll(controls)]
        .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled
            && each.ariaDisabled !== "true")
        .filter((each) => each.type !== "radio" && !each.closest("[role=tablist], [role=grid], [inert]"))
        .filter((each) => each.tabIndex !== 0)
        .map((each) => each.outerHTML.slice(0, 160));
"""
_FOCUS = """
    const each = document.activeElement;
    if (!each || each === document.body) return null;
    const style = getComputedStyle(each), box = each.getBoundingClientRect();
    const marked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
        || style.boxShadow !== "none";
    return [each.outerHTML.slice(0, 160), marked && box.width > 0 && box.height > 0];
"""
_DRAWN = """
    const page = document.body.dataset.page;
    if (page === "index.html") return Boolean(document.querySelector(".answers tbody tr"));
    if (page === "explore.html") return document.documentElement.dataset.explore === "ready";
    return true;
"""
_WIDER = """
    for (const each of document.querySelectorAll("details")) each.open = true;
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const clipped = (each) => {
        for (let up = each.parentElement; up && up !== document.body; up = up.parentElement) {
            if (getComputedStyle(up).overflowX !== "visible") return true;
        }
        return false;
    };
    return [`${scrollWidth} > ${clientWidth}`, ...[...document.body.querySelectorAll("*")]
        .filter((each) => each.getBoundingClientRect().right > clientWidth + 1 && !clipped(each))
        .slice(0, 5).map((each) => each.outerHTML.slice(0, 120))];
"""


@pytest.fixture(params=["sample", "lab"])
def site(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(f"{request.param}_site")
    return folder


@pytest.mark.parametrize(
    ("site", "width", "colours"),
    [
        *(("sample", width, colours) for width in (DESKTOP, PHONE) for colours in ("light", "dark")),
        ("lab", DESKTOP, "light"),
        ("lab", PHONE, "dark"),
    ],
    indirect=["site"],
)
def test_nothing_keeps_people_out(window: webdriver.Chrome, site: Path, width: int, colours: str) -> None:
    browser.resize(window, width)
    browser.media(window, colours=colours)
    axe = AXE.read_text("utf-8")
    found = {}
    for page in soundness.kinds(site):
        window.get(page.as_uri())
        window.execute_script(axe)
        if wrong := window.execute_async_script(_RUN_AXE):
            found[str(page.relative_to(site))] = wrong
    assert found == {}


@pytest.mark.parametrize(("width", "colours"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")])
def test_what_scripts_draw_keeps_nobody_out(
    window: webdriver.Chrome, sample_site: Path, width: int, colours: str
) -> None:
    """The answers of the first page, and the views that it leads to: tables and a pivot with its colours."""
    browser.resize(window, width)
    browser.media(window, colours=colours)
    axe = AXE.read_text("utf-8")
    index = (sample_site / "index.html").as_uri()
    window.get(index)
    views = [link.get_attribute("href") for link in window.find_elements("css selector", ".onward a")]
    assert sum("explore.html#" in (view or "") for view in views) > 1
    found = {}
    for view in [index, *filter(None, views)]:
        window.get("about:blank")
        window.get(view)
        if view == index:
            window.find_element("css selector", ".finder form button.main").click()
        WebDriverWait(window, 60).until(lambda each: each.execute_script(_DRAWN))
        window.execute_script(axe)
        if wrong := window.execute_async_script(_RUN_AXE):
            found[view] = wrong
        if wider := window.execute_script(_WIDER):
            found[f"{view}, width"] = wider
    assert found == {}


def test_axe_finds_what_is_wrong(window: webdriver.Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><html lang=en><title>x</title><input><p style='color:#ccc'>pale")
    window.get(page.as_uri())
    window.execute_script(AXE.read_text("utf-8"))
    found = window.execute_async_script(_RUN_AXE)
    assert [each.split(" ")[0] for each in found] == ["color-contrast", "label"]


def test_every_control_is_reached_by_keyboard(window: webdriver.Chrome, site: Path) -> None:
    found = {}
    for page in soundness.kinds(site):
        window.get(page.as_uri())
        wrong = [f"not reached by Tab: {each}" for each in window.execute_script(_UNREACHABLE)]
        for _ in range(60):
            for kind in ("keyDown", "keyUp"):
                window.execute_cdp_cmd(
                    "Input.dispatchKeyEvent",
                    {"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
                )
            if (focus := window.execute_script(_FOCUS)) is None:
                break
            if not focus[1]:
                wrong.append(f"focus is not visible: {focus[0]}")
        if wrong:
            found[str(page.relative_to(site))] = wrong
    assert found == {}


@pytest.mark.parametrize("width", [PHONE, 768, DESKTOP])
def test_no_page_scrolls_sideways(window: webdriver.Chrome, site: Path, width: int) -> None:
    browser.resize(window, width)
    found = {}
    for page in soundness.kinds(site):
        window.get(page.as_uri())
        if wider := window.execute_script(_WIDER):
            found[str(page.relative_to(site))] = wider
    assert found == {}


@pytest.mark.parametrize("on", [True, False], ids=["scripts", "no scripts"])
def test_pages_load_from_a_folder_and_under_a_path(window: webdriver.Chrome, site: Path, on: bool) -> None:
    browser.scripts(window, on=on)
    with browser.served(site.parent) as address:
        for start in (site.as_uri(), f"{address}/{site.name}"):
            browser.network(window, on=start.startswith("http"))
            for page in soundness.kinds(site):
                browser.events(window)
                window.get(f"{start}/{page.relative_to(site)}")
                asked = browser.requested(browser.events(window))
                assert all(url.startswith((f"{start}/", "data:", "blob:")) for url in asked), asked
                assert window.find_element("tag name", "h1").text
        assert browser.faults(window) == []
        window.get("about:blank")


def test_files_are_small(site: Path) -> None:
    heavy = {
        str(page.relative_to(site)): size
        for page in soundness.pages(site)
        if (size := soundness.packed(page)) > PAGE_KB * 1000
    }
    assert heavy == {}


def test_scripts_of_a_page_are_small(window: webdriver.Chrome, site: Path) -> None:
    """Its own, the libraries it loads, and what both take with them: all but the tests' data."""
    for page in soundness.kinds(site):
        browser.events(window)
        window.get(page.as_uri())
        for _ in range(2):  # down and up again: what is loaded when it is seen
            window.execute_script("scrollTo(0, scrollY ? 0 : document.body.scrollHeight)")
            window.execute_async_script("setTimeout(arguments[0], 300)")
        asked = browser.requested(browser.events(window))
        scripts = {
            file.name: soundness.packed(file)
            for file in (Path(unquote(urlsplit(url).path)) for url in asked if url.startswith("file:"))
            if file.suffix == ".js" and file.parent.name in {"js", "vendor"}
        }
        assert sum(scripts.values()) <= SCRIPTS_KB * 1000, (page, scripts)
        has_chart = bool(window.find_elements("css selector", "figure.chart, [data-chart], .vega-embed"))
        assert has_chart or "vega.js" not in scripts, page


def test_every_link_leads_somewhere(site: Path) -> None:
    assert soundness.broken_links(site) == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert soundness.loaded_from_elsewhere(site) == []


def test_pages_are_sound(sample_site: Path) -> None:
    for page in soundness.pages(sample_site):
        soundness.check_page(page)


def test_hostile_texts_are_shown_as_texts(window: webdriver.Chrome, hostile_site: Path) -> None:
    for page in soundness.pages(hostile_site):
        soundness.check_page(page)
    assert soundness.broken_links(hostile_site) == []
    for page in soundness.kinds(hostile_site):
        window.get(page.as_uri())
        assert window.execute_script("return window.owned ?? null") is None, page
        if page.name != "method.html":  # which is about no campaign
            text = window.find_element("tag name", "body").text
            assert "window.owned=1" in text or "x" * 80 in text, page


def test_edges_still_make_pages(window: webdriver.Chrome, edge_sites: Mapping[str, Path]) -> None:
    for site in edge_sites.values():
        for page in soundness.pages(site):
            soundness.check_page(page)
        assert soundness.broken_links(site) == [], site
        for page in soundness.kinds(site):
            window.get(page.as_uri())
            assert browser.faults(window) == [], page
