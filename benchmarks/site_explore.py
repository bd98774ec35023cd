"""The explorer at 100,000 rows, beside DataTables with the same rows handed over as they are.

A seeded lab of 25 machines × 50 models is built twice: as the site's explorer, and as a plain page whose
rows are arrays in a script that DataTables gets as its data. Chromium opens both from the folder, by turns,
and does the same in both; every figure is the time until the change is drawn, or the heap after a collection.

    python benchmarks/site_explore.py [--rows 100000] [--rounds 5]

The bars for the explorer: usable in 0.5 s, a filter or a sort in 150 ms, 60 MB of heap, 4 MB of data.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from integrator.site.page import Site
from integrator.site.pages.explore import usual_columns
from tests.site import browser, explorer
from tests.site.synthetic import lab

# The page is usable when its first rows are drawn: after the frame that follows their being there.
WATCH = """
    new MutationObserver((changes, observer) => {
      if (document.documentElement?.dataset.explore !== "ready") return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => { window.usableAt = performance.now(); }));
    }).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-explore"] });
"""
ACT = """
    const [code, done] = arguments;
    const start = performance.now();
    new Function(code)();
    setTimeout(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))));
"""
PEER = """
    "use strict";
    window.table = new window.DataTable("#peer", {
      data: window.peerRows,
      columns: window.peerColumns.map((title) => ({ title })),
      pageLength: 50,
      deferRender: true,
      autoWidth: false,
      order: [],
      initComplete: () => { document.documentElement.dataset.explore = "ready"; },
    });
"""
SEARCH = (
    "const field = document.querySelector('[data-part=search]'); field.value = '{}';"
    "field.dispatchEvent(new Event('input'));"
)
BOX = "document.querySelectorAll('details.facet[data-key={}] input[type=checkbox]')[{}].click();"
HEADING = "document.querySelector('th[data-key={}] .dt-column-order').click();"


def ours() -> dict[str, Sequence[str]]:
    """What is done in the explorer, by what it is called: one after another."""
    return {
        "sort by a number": [HEADING.format("latency_ms"), HEADING.format("throughput_fps")],
        "sort by a text": [HEADING.format("model"), HEADING.format("model")],
        "filter": [BOX.format("scenario", 0), BOX.format("scenario", 0), BOX.format("machine", 3)],
        "search": [SEARCH.format("resnet"), SEARCH.format("resnet fp32"), SEARCH.format("")],
        "pivot, 1,250 cells": ["document.querySelector('input[value=pivot]').click();"],
    }


def theirs(columns: Sequence[str]) -> dict[str, Sequence[str]]:
    """The same in the plain page; it has no pivot."""
    at = {key: index for index, key in enumerate(columns)}
    order = "window.table.order([[{}, '{}']]).draw();"
    only = "window.table.column({}).search('{}').draw();"
    search = "window.table.search('{}').draw();"
    return {
        "sort by a number": [
            order.format(at["latency_ms"], "asc"),
            order.format(at["throughput_fps"], "desc"),
        ],
        "sort by a text": [order.format(at["model"], "asc"), order.format(at["model"], "desc")],
        "filter": [
            only.format(at["scenario"], "async"),
            only.format(at["scenario"], ""),
            only.format(at["machine"], "nuc-13"),
        ],
        "search": [search.format("resnet"), search.format("resnet fp32"), search.format("")],
    }


def write_peer(folder: Path, frame: pd.DataFrame) -> list[str]:
    """The plain page, beside the explorer; the columns are those that the explorer shows."""
    keys = [column.key for column in usual_columns(frame)]
    values = frame[keys].astype(object).where(frame[keys].notna(), None)
    # Texts are markup to DataTables.
    texts = values.map(lambda value: html.escape(value) if isinstance(value, str) else value)
    rows = json.dumps(texts.to_numpy().tolist(), separators=(",", ":"))
    (folder / "peer-rows.js").write_text(
        f"window.peerColumns={json.dumps(keys)};window.peerRows={rows};", encoding="utf-8"
    )
    (folder / "peer.js").write_text(PEER, encoding="utf-8")
    (folder / "peer.html").write_text(
        """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Peer</title>
        <body><table id="peer"></table>
        <script src="assets/vendor/datatables.js"></script>
        <script src="peer-rows.js"></script><script src="peer.js"></script></body></html>""",
        encoding="utf-8",
    )
    return keys


def measure(driver: webdriver.Chrome, page: Path, actions: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Milliseconds, and the heap in MB: when it is usable, and after everything."""
    driver.get("about:blank")
    driver.get(page.as_uri())
    WebDriverWait(driver, 300, poll_frequency=0.05).until(
        lambda each: each.execute_script("return Boolean(window.usableAt)")
    )
    found = {"usable": float(driver.execute_script("return window.usableAt"))}
    found["heap"] = heap(driver)
    for name, codes in actions.items():
        times = [float(driver.execute_async_script(ACT, code)) for code in codes]
        found[name] = max(times)
    found["heap at the end"] = heap(driver)
    return found


def heap(driver: webdriver.Chrome) -> float:
    """Of JavaScript, after a collection, in MB."""
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return float(driver.execute_script("return performance.memory.usedJSHeapSize / 1e6"))


def megabytes(files: Sequence[Path]) -> float:
    """Compressed as a web server does it."""
    return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files) / 1e6


def build(folder: Path, rows: int) -> tuple[Site, list[str]]:
    """Both pages, of the same rows."""
    site = explorer.build(folder, lab(machines=25, models=50, rows=rows))
    return site, write_peer(folder, site.frame)


def report(own: Sequence[Mapping[str, float]], peer: Sequence[Mapping[str, float]]) -> None:
    """Medians and the best of each, and how many times the peer takes."""
    print(f"{'':22}{'explorer':>20}{'plain DataTables':>24}{'ratio':>9}")
    for name in own[0]:
        unit = "MB" if name.startswith("heap") else "ms"
        mine = [each[name] for each in own]
        line = f"{name:22}{statistics.median(mine):>9,.0f} {unit} (≥ {min(mine):,.0f})"
        if name in peer[0]:
            other = [each[name] for each in peer]
            ratio = statistics.median(other) / statistics.median(mine)
            line = f"{line:46}{statistics.median(other):>9,.0f} {unit} (≥ {min(other):,.0f})".ljust(66)
            line += f"{ratio:>7.1f} ×"
        print(line)


def main() -> None:
    """Build, measure by turns, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "site"
        site, columns = build(folder, arguments.rows)
        core, *more = sorted((folder / "assets" / "rows").iterdir(), key=lambda file: len(file.name))
        scripts = [*(folder / "assets" / "js").iterdir(), folder / "assets" / "vendor" / "datatables.js"]
        print(
            f"{len(site.frame):,} rows; data {megabytes([core]):.2f} MB, on demand {megabytes(more):.2f} MB,"
        )
        print(f"scripts of the whole site and DataTables {megabytes(scripts):.2f} MB;")
        print(f"the plain page's rows {megabytes([folder / 'peer-rows.js']):.2f} MB (all compressed)")
        driver = browser.start(Path(temporary) / "profile", "--enable-precise-memory-info")
        try:
            browser.clear(driver)
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
            own: list[dict[str, float]] = []
            peer: list[dict[str, float]] = []
            for number in range(arguments.rounds):
                turns: list[tuple[list[dict[str, float]], str, dict[str, Any]]] = [
                    (own, "explore.html", dict(ours())),
                    (peer, "peer.html", dict(theirs(columns))),
                ]
                for results, page, actions in turns if number % 2 == 0 else reversed(turns):
                    results.append(measure(driver, folder / page, actions))
        finally:
            driver.quit()
    report(own, peer)


if __name__ == "__main__":
    main()
