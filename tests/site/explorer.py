"""The explorer as tests see it: built alone, and asked through the browser."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pandas as pd
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from integrator.resources import find
from integrator.site.compare import scripts
from integrator.site.explain import files as explain
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION, explore
from integrator.site.render import Renderer
from integrator.site.source import CampaignResults
from integrator.site.store import manifest
from integrator.site.vendor import vendored_assets

Browser = webdriver.Chrome
Built = tuple[str, pd.DataFrame]
"""The address of an explorer, and the newest campaign's frame."""


def build(folder: Path, *campaigns: CampaignResults) -> Site:
    """The explorer alone: what it needs and nothing else."""
    site = Site(campaigns)
    for path, content in (
        *manifest.assets(site),
        *vendored_assets(["datatables"]),
        *explain.files(site),
        *scripts.files(site),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for kind in ("css", "js"):
        shutil.copytree(find("templates") / kind, folder / "assets" / kind, dirs_exist_ok=True)
    for page in explore.pages(site):
        (folder / page.path).write_text(Renderer(site, NAVIGATION).html(page), encoding="utf-8")
    return site


def open_page(browser: Browser, address: str) -> None:
    browser.get("about:blank")
    browser.get(address)
    ready = "return document.documentElement.dataset.explore === 'ready'"
    WebDriverWait(browser, 30).until(lambda each: each.execute_script(ready))


def column(browser: Browser, key: str) -> list[str]:
    """What the rows on show have in one column."""
    script = """
        const [key] = arguments;
        const headings = [...document.querySelectorAll('table.rows thead th')];
        const at = headings.findIndex((th) => th.dataset.key === key);
        const rows = [...document.querySelectorAll('table.rows tbody tr')];
        return rows.map((row) => row.cells[at].innerText.trim());
    """
    cells: list[str] = browser.execute_script(script, key)
    return cells


def ids(browser: Browser) -> list[str]:
    script = """
        const rows = [...document.querySelectorAll('table.rows tbody tr')];
        return rows.map((row) => row.querySelector('[data-row]')?.dataset.row ?? '');
    """
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
        const values = [...facet.querySelectorAll('li')];
        const named = (item) => item.querySelector('bdi').textContent === arguments[1];
        return values.find(named).querySelector('input');
    """
    return browser.execute_script(script, facet, name)


def counts(browser: Browser, facet: str) -> dict[str, int]:
    script = """
        const items = document.querySelectorAll(`details.facet[data-key="${arguments[0]}"] li`);
        const name = (item) => item.querySelector('bdi').textContent;
        const count = (item) => Number(item.querySelector('.n').textContent.replaceAll(',', ''));
        return Object.fromEntries([...items].map((item) => [name(item), count(item)]));
    """
    found: dict[str, int] = browser.execute_script(script, facet)
    return found


def click(browser: Browser, element: Any) -> None:
    """Click what may stand far down, and wait until the page has followed."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()
    settle(browser)


def settle(browser: Browser) -> None:
    """DataTables sorts in a later turn, so that the browser can draw in between."""
    script = "const [done] = arguments; setTimeout(() => requestAnimationFrame(() => setTimeout(done)), 20)"
    browser.execute_async_script(script)


def heading(browser: Browser, key: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, f"table.rows th[data-key={key}]")


def sort_button(browser: Browser, key: str) -> Any:
    return heading(browser, key).find_element(By.CSS_SELECTOR, "[role=button]")


def pivot_cells(browser: Browser) -> dict[tuple[str, str], dict[str, Any]]:
    script = """
        const table = document.querySelector('table.pivot');
        const columns = [...table.tHead.rows].at(-1).cells;
        const first = table.tHead.rows.length === 1 ? 1 : 0;
        const names = [...columns].slice(first).map((th) => (th.querySelector('bdi') ?? th).innerText.trim());
        return [...table.tBodies[0].rows].filter((row) => row.className !== 'group').flatMap((row) =>
          [...row.cells].slice(1).map((cell, at) => ({
            row: row.cells[0].querySelector('bdi').innerText.trim(), column: names[at],
            style: cell.className, text: cell.innerText.trim(),
            link: cell.querySelector('a')?.dataset.row, best: Boolean(cell.querySelector('b')),
          })));
    """
    return {(cell["row"], cell["column"]): cell for cell in browser.execute_script(script)}


def digits(text: str) -> float:
    number = re.match(r"[\d,.]+", text)
    assert number is not None, text
    return float(number[0].replace(",", ""))


def download(browser: Browser, folder: Path, kind: str) -> str:
    part(browser, kind).click()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if files := list(folder.glob(f"*.{kind}")):
            return files[0].read_text(encoding="utf-8")
        time.sleep(0.05)
    raise AssertionError("no file came")
