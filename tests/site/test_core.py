"""What every page's script does as Python does it: numbers, cells of a CSV file, lists in an address."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest
from selenium import webdriver

from integrator.merge import harmless
from integrator.site.cells import format_number
from tests.site.edges import NASTY

pytestmark = pytest.mark.browser


@pytest.fixture
def core(window: webdriver.Chrome, sample_site: Path) -> webdriver.Chrome:
    window.get((sample_site / "method.html").as_uri())
    return window


def test_numbers_read_the_same(core: webdriver.Chrome) -> None:
    chance = random.Random(6)
    values = [
        0.0,
        1e-4,
        9.995e-5,
        999.5,
        9.995,
        99.95,
        0.99949,
        0.9995,
        1e12,
        9.9949e11,
        12345.0,
        1e-320,
        -4.2,
    ]
    values += [10 ** chance.uniform(-6, 14) * chance.choice((1, -1)) for _ in range(3000)]
    values += [float(f"{value:.3g}") for value in values]
    found = core.execute_script("return arguments[0].map(window.fleetmark.number)", values)
    wrong = [
        (value, text, format_number(value))
        for value, text in zip(values, found, strict=True)
        if text != format_number(value)
    ]
    assert wrong == []


def test_cells_of_a_csv_file_are_as_harmless(core: webdriver.Chrome) -> None:
    texts = [text for text in NASTY if "\ud800" not in text]
    texts += [f"{start}1+1" for start in "=+-@\t\r\n"] + ["a,b", 'say "x"', "two\r\nlines", "", "plain"]
    script = (
        "return arguments[0].map((text) => [text, 1.5].map(window.fleetmark.csvCell).join(',')).join('\\n')"
    )
    written = core.execute_script(script, texts)
    assert list(csv.reader(io.StringIO(written))) == [[harmless(text), "1.5"] for text in texts]


def test_lists_survive_the_address(core: webdriver.Chrome) -> None:
    names = [text for text in NASTY if "\ud800" not in text] + ["a,b", "c\\", "\\,", "-x", "+y"]
    chance = random.Random(6)
    for _ in range(40):
        chosen = [name for name in names if chance.random() < chance.choice((0.2, 0.8))]
        script = """
            const [all, chosen] = arguments, { list } = window.fleetmark;
            const address = new URLSearchParams({ machine: list.write(new Set(chosen), all) });
            const back = new URLSearchParams(address.toString()).get("machine");
            return [...list.read(back, all)];
        """
        assert core.execute_script(script, names, chosen) == chosen
