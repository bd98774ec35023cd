"""A test's way through the campaigns as a small picture: a line, a point for each campaign, its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["HEIGHT", "WIDTH", "Mark", "Sparkline", "sparkline"]

WIDTH, HEIGHT = 120, 32
"""In the units of the picture, which are pixels."""
_EDGE = 5
_LEAST_RANGE = 0.06
"""What the height shows at least, as a share of the middle value: noise of a per cent stays flat."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One campaign."""

    x: float
    y: float
    low: float | None
    """Where the interval's ends lie; None: there is none."""
    high: float | None
    kind: str
    """ok, doubtful (noisy or invalid), or bad (no value: it did not end ok)."""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Ready to be drawn."""

    line: str
    """The points of a polyline; empty where there is no more than one."""
    marks: tuple[Mark, ...]


def sparkline(
    values: Sequence[float], lows: Sequence[float], highs: Sequence[float], kinds: Sequence[str]
) -> Sparkline:
    """Lay out one test; NaN is a value that is not there.

    Campaigns stand at even distances. The scale is the test's own, and not from zero: the picture shows the
    shape, the numbers stand beside it. templates/js/history.js does the same.

    Args:
        values: One for each campaign, the oldest first; like `lows` and `highs`, the ends of its interval.
        lows: See `values`.
        highs: See `values`.
        kinds: ok, doubtful, bad, or empty where the campaign has no such test.
    """
    known = [each for each in (*values, *lows, *highs) if math.isfinite(each)]
    bottom, top = (min(known), max(known)) if known else (0.0, 0.0)
    if (short := _LEAST_RANGE * (bottom + top) / 2 - (top - bottom)) > 0:
        bottom, top = bottom - short / 2, top + short / 2
    step = (WIDTH - 2 * _EDGE) / max(1, len(values) - 1)

    def y(value: float) -> float | None:
        if not math.isfinite(value):
            return None
        share = (value - bottom) / (top - bottom) if top > bottom else 0.5
        return round(HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE), 1)

    marks = []
    for at, (value, low, high, kind) in enumerate(zip(values, lows, highs, kinds, strict=True)):
        if not kind:
            continue
        here = y(value)
        x = round(_EDGE + at * step if len(values) > 1 else WIDTH / 2, 1)
        bad = here is None
        marks.append(
            Mark(x, HEIGHT - _EDGE if here is None else here, y(low), y(high), "bad" if bad else kind)
        )
    points = [f"{mark.x:g},{mark.y:g}" for mark in marks if mark.kind != "bad"]
    return Sparkline(" ".join(points) if len(points) > 1 else "", tuple(marks))
