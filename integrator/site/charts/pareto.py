"""Latency against throughput: which settings are beaten in both by no other."""

from __future__ import annotations

from dataclasses import dataclass

from integrator.site.charts.chart import (
    LATENCY,
    MOST_SERIES,
    THROUGHPUT,
    WIDTH,
    Chart,
    Rows,
    Spec,
    between,
    brief,
    columns,
    distinct,
    ends,
    log_axis,
    log_scale,
    series,
    tooltip,
    whole,
)

__all__ = ["front", "pareto"]

_MOST_POINTS = 250
_CROWD = 60
"""From so many points on they are small."""
_OTHERS = "other machines"


@dataclass(frozen=True, slots=True)
class _Point:
    machine: str
    label: str
    row: str
    latency: float
    latency_low: float
    latency_high: float
    throughput: float
    throughput_low: float
    throughput_high: float

    @property
    def latency_text(self) -> str:
        """With its interval, in ms."""
        return between(self.latency, self.latency_low, self.latency_high)

    @property
    def throughput_text(self) -> str:
        """With its interval, in FPS."""
        return between(self.throughput, self.throughput_low, self.throughput_high)


def front(points: list[tuple[float, float]]) -> list[int]:
    """The places of those that no other beats: a latency as low with more throughput, or the reverse.

    In the order of latency; of equal points the first.
    """
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1], place))
    found: list[int] = []
    most = 0.0
    for place in order:
        if points[place][1] > most:
            found.append(place)
            most = points[place][1]
    return found


def pareto(frame: Rows) -> Chart | str:
    """Every setting of one model on all machines, with the front.

    Where there are many points, those that their own machine beats are not drawn, and the caption says so.
    """
    points = _points(frame)
    if not points:
        return "No valid test has both a latency and a throughput."
    best = front([(point.latency, point.throughput) for point in points])
    on_front = {points[place].row for place in best}
    drawn = list(points) if len(points) <= _MOST_POINTS else _own_fronts(points)
    names = list(dict.fromkeys(points[place].machine for place in best))[:MOST_SERIES]
    # Without a rival in sight, machines beyond the front have colours as well.
    rest = [name for name in dict.fromkeys(point.machine for point in drawn) if name not in names]
    if len(names) + len(rest) <= MOST_SERIES:
        names, rest = names + rest, []
    called = distinct(names)
    drawn.sort(key=lambda point: point.machine in called)  # those without a colour lie below
    values = [_value(point, called.get(point.machine, _OTHERS), on=point.row in on_front) for point in drawn]
    caption = "Every point is a setting; the line joins those that no other setting beats in both."
    if len(drawn) < len(points):
        left_out = len(points) - len(drawn)
        caption += f" {left_out:,} settings that their own machine beats in both are not drawn."
    return Chart(
        spec=_spec(values, list(called.values()), others=bool(rest)),
        caption=caption,
        headings=("machine", "setting", "median latency, ms", "throughput, FPS"),
        rows=tuple(
            (point.machine, point.label, point.latency_text, point.throughput_text)
            for point in (points[place] for place in best)
        ),
    )


def _value(point: _Point, called: str, *, on: bool) -> Spec:
    value: Spec = {
        "series": called,
        "machine": point.machine,
        "setting": point.label,
        "row": point.row,
        "x": brief(point.latency),
        "y": brief(point.throughput),
        "on": on,
    }
    if on:  # only there an interval is drawn
        value["x1"], value["x2"] = map(brief, ends(point.latency, point.latency_low, point.latency_high))
        value["y1"], value["y2"] = map(
            brief, ends(point.throughput, point.throughput_low, point.throughput_high)
        )
    return value


def _points(frame: Rows) -> list[_Point]:
    keys = (LATENCY.key, LATENCY.low, LATENCY.high, THROUGHPUT.key, THROUGHPUT.low, THROUGHPUT.high)
    rows = columns(frame, "rank_ok", "machine", "label", "row", *keys)
    return [
        _Point(machine, label, row, x, x1, x2, y, y1, y2)
        for ranked, machine, label, row, x, x1, x2, y, y1, y2 in rows
        if ranked and x > 0 and y > 0
    ]


def _own_fronts(points: list[_Point]) -> list[_Point]:
    by_machine: dict[str, list[_Point]] = {}
    for point in points:
        by_machine.setdefault(point.machine, []).append(point)
    return [
        own[place]
        for own in by_machine.values()
        for place in front([(point.latency, point.throughput) for point in own])
    ]


def _spec(values: list[Spec], names: list[str], *, others: bool) -> Spec:
    colour, shape = series(names, "machine", others=_OTHERS if others else "")
    x_scale = log_scale(value[key] for value in values for key in ("x", "x1", "x2") if key in value)
    y_scale = log_scale(value[key] for value in values for key in ("y", "y1", "y2") if key in value)
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": x_scale,
        "axis": log_axis(LATENCY.title, x_scale),
    }
    y: Spec = {
        "field": "y",
        "type": "quantitative",
        "scale": y_scale,
        "axis": log_axis(THROUGHPUT.title, y_scale),
    }
    on_front = [{"filter": "datum.on"}]
    point: Spec = {"type": "point", "filled": True, "opacity": 1}
    about = tooltip(
        ("machine", "machine"),
        ("setting", "setting"),
        numbers=(("x", "median latency, ms"), ("y", "throughput, FPS")),
    )
    thin: Spec = {"type": "rule", "aria": False, "strokeWidth": 1.25, "opacity": 0.8}
    return whole(
        {
            "width": WIDTH,
            "height": 300,
            "data": {"values": values},
            "layer": [
                {
                    # Hundreds of points are no help to who hears them; the table has the front.
                    "transform": [{"filter": "!datum.on"}],
                    "mark": {**point, "size": 28 if len(values) > _CROWD else 45, "aria": False},
                    "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": about},
                },
                {
                    "transform": on_front,
                    "mark": {
                        "type": "line",
                        "interpolate": "step-after",
                        "stroke": "var(--ink)",
                        "strokeWidth": 1,
                    },
                    "encoding": {"x": x, "y": y, "order": {"field": "x"}},
                },
                {
                    "transform": on_front,
                    "mark": thin,
                    "encoding": {"x": {**x, "field": "x1"}, "x2": {"field": "x2"}, "y": y, "color": colour},
                },
                {
                    "transform": on_front,
                    "mark": thin,
                    "encoding": {"x": x, "y": {**y, "field": "y1"}, "y2": {"field": "y2"}, "color": colour},
                },
                {
                    "transform": on_front,
                    "mark": {**point, "size": 95, "stroke": "var(--ink)", "strokeWidth": 1},
                    "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": about},
                },
            ],
        },
        "Latency and throughput of every setting, with the settings that no other beats in both",
    )
