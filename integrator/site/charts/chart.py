"""What a chart is, and what all charts have in common: axes with units, series, colours of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from integrator.site.cells import format_number

__all__ = [
    "LATENCY",
    "MOST_SERIES",
    "THROUGHPUT",
    "WIDTH",
    "Chart",
    "Measured",
    "Quantity",
    "Rows",
    "Spec",
    "axis",
    "between",
    "brief",
    "columns",
    "distinct",
    "ends",
    "log_axis",
    "log_scale",
    "names_axis",
    "series",
    "tooltip",
    "whole",
]

Spec = dict[str, Any]
Rows = pd.DataFrame | Mapping[str, list[Any]]
"""Of a tidy frame: itself, or lists by column, which are quicker where there are many charts."""

WIDTH = 400
"""Of the drawing area, in pixels: a phone shows it with letters that can be read."""
MOST_SERIES = 6
"""What colour and shape can tell apart."""
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
_LONGEST_NAME = 48
_STEPS = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 5, 7),
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
)
_FEWEST_TICKS, _MOST_TICKS = 3, 9
_LETTER = 6.9
"""The width of a letter of the axes, in pixels: that of a wide font."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the same in numbers."""

    spec: Mapping[str, Any]
    """Of Vega-Lite. Colours are variables of the page's style sheet, so one drawing is light and dark."""
    caption: str
    """What is shown, and what is not."""
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured column with its interval."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    key: str
    low: str
    high: str

    @property
    def title(self) -> str:
        """Of an axis."""
        return f"{self.name}, {self.unit} ({self.better} is better)"


LATENCY = Quantity("median latency", "ms", "lower", "latency_ms", "latency_low_ms", "latency_high_ms")
THROUGHPUT = Quantity(
    "throughput", "FPS", "higher", "throughput_fps", "throughput_low_fps", "throughput_high_fps"
)

_CONFIG: Spec = {
    "font": "sans-serif",  # the style sheet names the page's own
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--strong-line)",
        "gridColor": "var(--line)",
        "tickColor": "var(--strong-line)",
        "labelColor": "var(--soft)",
        "labelFontSize": 12,
        "labelLimit": 170,
        "titleColor": "var(--ink)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "labelLimit": 190,
        "columnPadding": 24,  # the page's font may be wider than the one that is reckoned with
        "orient": "top",
        "symbolOpacity": 1,
        "symbolStrokeWidth": 1.5,
        "titleColor": "var(--soft)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "rule": {"color": "var(--soft)"},
    "line": {"strokeWidth": 1.75},
}


def whole(spec: Mapping[str, Any], description: str) -> Spec:
    """A specification with what is the same in all of them."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "background": None,
        "padding": {"left": 2, "top": 4, "right": 12, "bottom": 2},
        "config": _CONFIG,
        **spec,
    }


def columns(rows: Rows, *keys: str) -> list[tuple[Any, ...]]:
    """The rows of these columns: loops over few rows are quicker than pandas is."""
    lists = (rows[key] for key in keys)
    return list(zip(*(each if isinstance(each, list) else each.tolist() for each in lists), strict=True))


def axis(title: str, **further: Any) -> Spec:
    """An axis with thousands as 1,000 and no more digits than it takes."""
    return {"title": title, "format": ",~r", **further}


def log_scale(values: Iterable[float], *, room: float = 1.08) -> Spec:
    """A logarithmic scale from the least to the greatest value, with some room, and no further."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return {"type": "log"}
    domain = [min(positive) / room, max(positive) * room]
    return {"type": "log", "domain": domain, "nice": False}


def log_axis(title: str, scale: Mapping[str, Any]) -> Spec:
    """Ticks that are not more than can be read, and whose numbers are all there."""
    low, high = scale.get("domain", (1, 10))
    at: Spec = {"values": ticks} if (ticks := log_ticks(low, high)) else {"tickCount": 6}
    return axis(title, labelOverlap="greedy", labelSeparation=8, **at)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers in the range, of the coarsest steps of which three or more are in it; else none.

    Vega's own leave out 10,000 where 9,000 is there, and the range may hold no other power of ten.
    """
    if not 0 < low < high < math.inf:
        return []
    decades = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    for steps in _STEPS:
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= _FEWEST_TICKS:
            every = -(-len(inside) // _MOST_TICKS)
            return inside[::every]
    return []


def names_axis(names: Iterable[str]) -> Spec:
    """An axis of names, with room for the longest of them in any font."""
    longest = max(map(len, names), default=0)
    return {"title": None, "grid": True, "minExtent": min(175, round(longest * _LETTER))}


def series(names: Sequence[str], title: str | None = None, *, others: str = "") -> tuple[Spec, Spec]:
    """Colour and shape of each name, as two channels of an encoding on the field `series`.

    Args:
        names: At most `MOST_SERIES`.
        title: Of the legend.
        others: The name of all the rest together, drawn without a colour; empty where there is none.
    """
    domain = [*names, others] if others else list(names)
    colours = [f"var(--series-{number})" for number in range(1, len(names) + 1)] + [
        "var(--strong-line)"
    ] * bool(others)
    shapes = [*_SHAPES[: len(names)], *(["circle"] * bool(others))]
    legend: Spec | None = {"title": title, "columns": 2} if len(domain) > 1 else None
    common: Spec = {"field": "series", "type": "nominal", "legend": legend}
    return (
        {**common, "scale": {"domain": domain, "range": colours}},
        {**common, "scale": {"domain": domain, "range": shapes}},
    )


def tooltip(*pairs: tuple[str, str], numbers: Iterable[tuple[str, str]] = ()) -> list[Spec]:
    """What is shown at a mark: fields of text and of numbers, and their headings."""
    return [
        *({"field": field, "type": "nominal", "title": title} for field, title in pairs),
        *(
            {"field": field, "type": "quantitative", "format": ",.3r", "title": title}
            for field, title in numbers
        ),
    ]


def brief(value: float) -> float:
    """Six digits: what a drawing can show, and no more to be sent."""
    return float("%.6g" % value)  # noqa: UP031  # twice as quick


def between(value: float, low: float, high: float) -> str:
    """A number and its interval as text: `12.3 (12.1–12.6)`."""
    if math.isnan(low) or math.isnan(high):
        return format_number(value)
    return f"{format_number(value)} ({format_number(low)}–{format_number(high)})"


@dataclass(frozen=True, slots=True)
class Measured:
    """A test's throughput, as a chart shows it."""

    throughput: float
    low: float
    high: float
    label: str
    row: str

    @property
    def text(self) -> str:
        """The throughput with its interval, in FPS."""
        return between(self.throughput, self.low, self.high)

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval."""
        return ends(self.throughput, self.low, self.high)


def short(name: str) -> str:
    """A name that fits into a legend; a tooltip and the table have it whole."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def ends(value: float, low: float, high: float) -> tuple[float, float]:
    """The ends of an interval, or the value itself where there is none."""
    return (value, value) if math.isnan(low) or math.isnan(high) else (low, high)


def distinct(names: Iterable[str]) -> dict[str, str]:
    """By name, what a legend calls it: short, and different from all others."""
    found: dict[str, str] = {}
    for name in names:
        candidate, number = short(name), 2
        while candidate in found.values():
            candidate, number = f"{short(name)} ({number})", number + 1
        found.setdefault(name, candidate)
    return found
