"""Whole columns of numbers as texts: what `cells.format_number` does for one, many times as fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from integrator.site.cells import format_number

__all__ = ["exact_numbers", "format_counts", "format_intervals", "format_numbers"]

_Values = npt.NDArray[np.float64]
_SMALL, _LARGE = 1e-3, 1e9
_ALONE = -99
_PLACES = ("%.0f", "%.1f", "%.2f", "%.3f", "%.4f", "%.5f")


def format_numbers(values: _Values) -> list[str]:
    """Three significant digits; nothing for NaN."""
    size = np.abs(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = np.floor(np.log10(size))
        leading = size / 10.0 ** (exponents - 2)
        # Near a power of ten, and where powers of ten are written: one by one.
        plain = (size >= _SMALL) & (size < _LARGE) & (leading > 100.001) & (leading < 999.4)  # noqa: PLR2004
    places = np.where(plain, 2 - np.nan_to_num(exponents), _ALONE).astype(int)
    return [
        _PLACES[place] % value
        if place >= 0
        else _one(value)
        if place == _ALONE
        else f"{round(value, place):,.0f}"
        for value, place in zip(values.tolist(), places.tolist(), strict=True)
    ]


def format_intervals(low: _Values, high: _Values) -> list[str]:
    """Both ends, `1.23–1.31`; nothing where one is missing."""
    return [
        f"{first}–{last}" if first and last else ""
        for first, last in zip(format_numbers(low), format_numbers(high), strict=True)
    ]


def format_counts(values: _Values) -> list[str]:
    """Whole numbers in full; nothing for NaN."""
    return ["" if value != value else f"{value:,.0f}" for value in values.tolist()]  # noqa: PLR0124  # NaN


def exact_numbers(values: _Values) -> list[str]:
    """All digits that are known; nothing for NaN."""
    return ["" if value != value else f"{value:,.12g}" for value in values.tolist()]  # noqa: PLR0124  # NaN


def _one(value: float) -> str:
    return "" if value != value else format_number(value)  # noqa: PLR0124  # NaN
