"""Columns of numbers read as single numbers do."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from integrator.site.cells import format_number
from integrator.site.numbers import exact_numbers, format_counts, format_intervals, format_numbers

_EDGES = (
    0.0,
    1.0,
    10.0,
    100.0,
    1000.0,
    999.5,
    999.4999,
    99.95,
    9.995,
    0.9995,
    1e-3,
    1e-4,
    9.9999e-5,
    1e12,
    -12.345,
)


@given(st.lists(st.floats(-1e15, 1e15), max_size=50))
def test_a_column_reads_as_its_numbers_do(values: list[float]) -> None:
    assert format_numbers(np.array(values, dtype=np.float64)) == [format_number(value) for value in values]


def test_edges_and_many_sizes() -> None:
    random = np.random.default_rng(1)
    values = np.concatenate(
        [10 ** random.uniform(-6, 14, 20_000), np.round(random.uniform(0, 2000, 5000), 1), _EDGES]
    )
    assert format_numbers(values) == [format_number(value) for value in values.tolist()]


def test_what_is_missing_is_empty() -> None:
    values = np.array([math.nan, 1234.5678])
    assert format_numbers(values) == ["", "1,230"]
    assert format_counts(values) == ["", "1,235"]
    assert exact_numbers(values) == ["", "1,234.5678"]
    assert format_intervals(np.array([1.0, 1.0]), np.array([math.nan, 2.0])) == ["", "1.00–2.00"]
