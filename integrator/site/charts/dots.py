"""Values with their intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from integrator.site.charts.chart import (
    WIDTH,
    Chart,
    Quantity,
    Spec,
    between,
    distinct,
    ends,
    log_axis,
    log_scale,
    names_axis,
    tooltip,
    whole,
)

__all__ = ["Dot", "dots"]

_MOST = 60


@dataclass(frozen=True, slots=True)
class Dot:
    """One line of the chart."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    label: str = ""
    """The setting."""
    row: str = ""


def dots(lines: Sequence[Dot], quantity: Quantity, *, what: str) -> Chart | str:
    """A dot and its 95 % interval for each line, the best on top.

    Args:
        lines: Names are different; what is not positive is left out.
        quantity: What the values are.
        what: What a line stands for, such as `model`.
    """
    positive = [line for line in lines if line.value > 0 and math.isfinite(line.value)]
    if not positive:
        return f"No {what} has a valid {quantity.name}."
    positive.sort(key=lambda line: line.value, reverse=quantity.better == "higher")
    names = distinct(line.name for line in positive[:_MOST])
    values: list[Spec] = []
    for line in positive[:_MOST]:
        low, high = ends(line.value, line.low, line.high)
        values.append(
            {
                "name": names[line.name],
                "setting": line.label,
                "row": line.row,
                "x": line.value,
                "x1": low,
                "x2": high,
                "shown": f"{between(line.value, line.low, line.high)} {quantity.unit}",
            }
        )
    most = (
        f" Drawn: {len(values)} of {len(positive)}; the table has all." if len(values) < len(positive) else ""
    )
    return Chart(
        spec=_spec(values, quantity, what),
        caption=f"The best {quantity.name} of each {what}, with its 95 % interval.{most}",
        headings=(what, f"{quantity.name}, {quantity.unit}", "setting"),
        rows=tuple((line.name, between(line.value, line.low, line.high), line.label) for line in positive),
    )


def _spec(values: list[Spec], quantity: Quantity, what: str) -> Spec:
    scale = log_scale(value[end] for value in values for end in ("x1", "x2"))
    order = [value["name"] for value in values]
    y: Spec = {"field": "name", "type": "nominal", "scale": {"domain": order}, "axis": names_axis(order)}
    x: Spec = {"field": "x", "type": "quantitative", "scale": scale, "axis": log_axis(quantity.title, scale)}
    about = tooltip(("name", what), ("setting", "setting"), ("shown", quantity.name))
    return whole(
        {
            "width": WIDTH - 80,
            "height": {"step": 20},
            "data": {"values": values},
            "layer": [
                {
                    "mark": {
                        "type": "rule",
                        "aria": False,
                        "strokeWidth": 3,
                        "color": "var(--series-1)",
                        "opacity": 0.6,
                    },
                    "encoding": {"x": {**x, "field": "x1"}, "x2": {"field": "x2"}, "y": y},
                },
                {
                    "mark": {
                        "type": "point",
                        "filled": True,
                        "size": 60,
                        "opacity": 1,
                        "color": "var(--series-1)",
                    },
                    "encoding": {"x": x, "y": y, "tooltip": about},
                },
            ],
        },
        f"{quantity.name} by {what}",
    )
