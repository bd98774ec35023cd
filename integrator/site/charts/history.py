"""A test from campaign to campaign."""

from __future__ import annotations

import pandas as pd

from integrator.site.charts.chart import (
    MOST_SERIES,
    WIDTH,
    Chart,
    Quantity,
    Spec,
    axis,
    between,
    columns,
    distinct,
    ends,
    series,
    tooltip,
    whole,
)

__all__ = ["history"]


def history(points: pd.DataFrame, quantity: Quantity) -> Chart | str:
    """A line for each series over the campaigns, with 95 % intervals; what is not valid is drawn hollow.

    Args:
        points: The columns `campaign` (its name), `series` (the machine, or what tells lines apart), `value`,
            `low`, `high`, `valid` (bool) and `row`, the oldest campaign first. The axis is from zero.
        quantity: What the values are.
    """
    kept = [row for row in columns(points, *_COLUMNS) if row[2] > 0]
    if not kept:
        return f"No campaign has a {quantity.name}."
    names = distinct(list(dict.fromkeys(str(row[1]) for row in kept))[:MOST_SERIES])
    order = list(dict.fromkeys(str(row[0]) for row in kept))
    values: list[Spec] = []
    for campaign, name, value, low, high, valid, row in kept:
        if name not in names:
            continue
        first, last = ends(value, low, high)
        values.append(
            {
                "campaign": campaign,
                "series": names[name],
                "row": row,
                "y": value,
                "y1": first,
                "y2": last,
                "valid": bool(valid),
                "shown": f"{between(value, low, high)} {quantity.unit}{'' if valid else ', not valid'}",
            }
        )
    return Chart(
        spec=_spec(values, list(names.values()), order, quantity),
        caption=f"{quantity.name.capitalize()} from campaign to campaign, with 95 % intervals.",
        headings=("campaign", "series", f"{quantity.name}, {quantity.unit}"),
        rows=tuple(
            (str(row[0]), str(row[1]), between(*row[2:5]) + ("" if row[5] else " (not valid)"))
            for row in kept
        ),
    )


_COLUMNS = ("campaign", "series", "value", "low", "high", "valid", "row")


def _spec(values: list[Spec], names: list[str], order: list[str], quantity: Quantity) -> Spec:
    colour, shape = series(names)
    x: Spec = {
        "field": "campaign",
        "type": "ordinal",
        "scale": {"domain": order},
        "axis": {"title": "campaign", "labelAngle": -35 if len(order) > 3 else 0, "labelLimit": 110},  # noqa: PLR2004
    }
    y: Spec = {
        "field": "y",
        "type": "quantitative",
        "scale": {"zero": True},
        "axis": axis(quantity.title, tickCount=5),
    }
    about = tooltip(("series", "series"), ("campaign", "campaign"), ("shown", quantity.name))
    return whole(
        {
            "width": WIDTH,
            "height": 200,
            "data": {"values": values},
            "layer": [
                {"mark": {"type": "line", "aria": False}, "encoding": {"x": x, "y": y, "color": colour}},
                {
                    "mark": {"type": "rule", "aria": False, "strokeWidth": 1.5},
                    "encoding": {"x": x, "y": {**y, "field": "y1"}, "y2": {"field": "y2"}, "color": colour},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "strokeWidth": 1.5},
                    "encoding": {
                        "x": x,
                        "y": y,
                        "color": colour,
                        "stroke": colour,
                        "shape": shape,
                        "fillOpacity": {"condition": {"test": "datum.valid", "value": 1}, "value": 0},
                        "tooltip": about,
                    },
                },
            ],
        },
        f"{quantity.name} by campaign",
    )
