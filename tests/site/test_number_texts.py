"""A number reads the same whichever side writes it: Python one by one, Python by column, and the browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver

from integrator.site.cells import format_number
from integrator.site.numbers import format_numbers

pytestmark = pytest.mark.browser


def values() -> list[float]:
    """Of all sizes; half of them lie halfway between two texts, where rounding rules differ."""
    random = np.random.default_rng(7)
    sizes = np.exp(random.uniform(-14, 31, 8000))
    halves = random.integers(1, 100_000, 4000) / random.choice([2, 4, 8], 4000)
    tens = random.integers(1000, 10_000, 4000) * random.choice([5, 50, 500], 4000)
    edges = [
        999.5,
        999.4999,
        0.99995,
        9.995,
        1e-4,
        9.9995e-5,
        9.995e11,
        1e12,
        12.25,
        1.125,
        1e21,
        -2.5,
        -112.5,
    ]
    return [float(value) for part in (sizes, -sizes[:500], halves, tens, edges) for value in part]


def test_numbers_read_the_same_everywhere(window: webdriver.Chrome, sample_site: Path) -> None:
    window.get((sample_site / "method.html").as_uri())
    all_values = values()
    by_one = [format_number(value) for value in all_values]
    assert format_numbers(np.array(all_values)) == by_one
    in_browser = window.execute_script("return arguments[0].map(window.fleetmark.number)", all_values)
    assert [found for found in zip(all_values, by_one, in_browser, strict=True) if found[1] != found[2]] == []
