"""Every page in Firefox, from a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.firefox import FIREFOX, Firefox, firefox

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def fox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if not FIREFOX.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{FIREFOX} is missing; .ci/run installs it")
        pytest.skip(f"Firefox is not installed: no {FIREFOX}")
    with firefox(tmp_path_factory.mktemp("firefox")) as running:
        yield running


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_page_loads_without_an_error(fox: Firefox, sample_site: Path) -> None:
    assert pages(sample_site)
    for page in pages(sample_site):
        fox.open(page.as_uri())
        assert fox.run("return document.querySelector('h1')?.textContent.trim()"), page
        assert fox.run("return Boolean(window.fleetmark)"), page
    assert [error for error in fox.errors() if sample_site.as_uri() in error] == []


def test_an_error_would_be_seen(fox: Firefox, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><title>x</title><script>undefined.nothing</script>")
    fox.open(page.as_uri())
    assert [error for error in fox.errors() if page.as_uri() in error]


def test_charts_come_alive_in_the_pages_colours(fox: Firefox, sample_site: Path) -> None:
    fox.open((sample_site / "models" / "resnet50.html").as_uri())
    fill = "return getComputedStyle(document.querySelector('#chart-pareto {} .role-legend-symbol path')).fill"
    series = ("rgb(11, 98, 164)", "rgb(111, 179, 234)")  # light, dark
    assert fox.run(fill.format(".drawing")) in series
    for _ in range(100):
        if fox.run("return document.querySelector('#chart-pareto').dataset.live === 'yes'"):
            break
        time.sleep(0.2)
    assert fox.run(fill.format(".view")) in series


def test_the_explorer_has_rows(fox: Firefox, sample_site: Path) -> None:
    fox.open((sample_site / "explore.html").as_uri())
    rows = "return document.querySelectorAll('table.rows tbody tr').length"
    until = time.monotonic() + 60
    while fox.run(rows) < 30 and time.monotonic() < until:
        time.sleep(0.1)
    assert fox.run(rows) == 30
    assert "the agent has not come to this test" in fox.run(
        "return document.querySelector('table.rows').textContent"
    )
