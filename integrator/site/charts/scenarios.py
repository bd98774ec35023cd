"""Synchronous against asynchronous inference: what a pool of requests brings on each machine."""

from __future__ import annotations

from integrator.site.cells import format_number
from integrator.site.charts.chart import (
    THROUGHPUT,
    WIDTH,
    Chart,
    Measured,
    Rows,
    Spec,
    brief,
    columns,
    distinct,
    log_axis,
    log_scale,
    names_axis,
    tooltip,
    whole,
)

__all__ = ["scenarios"]

_SETTING = ("machine", "precision", "device", "batch", "timed_region", "openvino")
_BOTH = ("sync", "async")
_MOST = 30


def scenarios(frame: Rows) -> Chart | str:
    """For each machine, the fastest of its sync tests and the fastest of its async tests.

    Both have the same precision, device and batch: of those that have both, the ones with the fastest async
    test. Hints, streams and threads are as they suit each.

    Args:
        frame: Rows of one model.
    """
    pairs = _pairs(frame)
    if not pairs:
        return "No machine has valid tests of both scenarios in the same precision, device and batch."
    shown = sorted(pairs.items(), key=lambda item: -item[1]["async"].throughput)
    names = distinct(machine for machine, _ in shown[:_MOST])
    values: list[Spec] = []
    rows: list[tuple[str, ...]] = []
    for machine, sides in shown:
        sync, pool = sides["sync"], sides["async"]
        gain = f"{format_number(pool.throughput / sync.throughput)} ×"
        rows.append((machine, sync.text, pool.text, gain, pool.label))
        if machine not in names:
            continue
        values += [
            {
                "machine": names[machine],
                "scenario": scenario,
                "setting": side.label,
                "row": side.row,
                "x": brief(side.throughput),
                "x1": brief(side.ends[0]),
                "x2": brief(side.ends[1]),
                "sync": brief(sync.throughput),
                "async": brief(pool.throughput),
                "gain": gain,
            }
            for scenario, side in ((name, sides[name]) for name in _BOTH)
        ]
    most = (
        f" Drawn: {len(names)} of {len(pairs)} machines; the table has all."
        if len(names) < len(pairs)
        else ""
    )
    return Chart(
        spec=_spec(values, list(names.values())),
        caption="Throughput of the fastest sync and the fastest async test of each machine, in the same "
        f"precision, device and batch.{most}",
        headings=("machine", "sync, FPS", "async, FPS", "async ÷ sync", "setting of async"),
        rows=tuple(rows),
    )


def _pairs(frame: Rows) -> dict[str, dict[str, Measured]]:
    keys = (THROUGHPUT.key, THROUGHPUT.low, THROUGHPUT.high)
    found: dict[tuple[str, ...], dict[str, Measured]] = {}
    for ranked, scenario, y, y1, y2, label, row, *setting in columns(
        frame, "rank_ok", "scenario", *keys, "label", "row", *_SETTING
    ):
        if not ranked or scenario not in _BOTH or not y > 0:
            continue
        sides = found.setdefault(tuple(map(str, setting)), {})
        if scenario not in sides or sides[scenario].throughput < y:
            sides[scenario] = Measured(y, y1, y2, label, row)
    best: dict[str, dict[str, Measured]] = {}
    for (machine, *_), sides in found.items():
        other = best.get(machine)
        if len(sides) == len(_BOTH) and (
            other is None or sides["async"].throughput > other["async"].throughput
        ):
            best[machine] = sides
    return best


def _spec(values: list[Spec], order: list[str]) -> Spec:
    scale = log_scale(value[end] for value in values for end in ("x1", "x2"))
    y: Spec = {"field": "machine", "type": "nominal", "scale": {"domain": order}, "axis": names_axis(order)}
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": scale,
        "axis": log_axis(THROUGHPUT.title, scale),
    }
    legend: Spec = {"title": "scenario"}
    look: Spec = {"field": "scenario", "type": "nominal", "legend": legend}
    colour = {**look, "scale": {"domain": list(_BOTH), "range": ["var(--series-1)", "var(--series-2)"]}}
    shape = {**look, "scale": {"domain": list(_BOTH), "range": ["circle", "square"]}}
    about = tooltip(
        ("machine", "machine"),
        ("setting", "setting"),
        ("gain", "async ÷ sync"),
        numbers=[("x", "throughput, FPS")],
    )
    return whole(
        {
            "width": WIDTH - 80,
            "height": {"step": 24},
            "data": {"values": values},
            "layer": [
                {
                    "transform": [{"filter": "datum.scenario === 'sync'"}],
                    "mark": {"type": "rule", "aria": False, "strokeWidth": 1, "color": "var(--strong-line)"},
                    "encoding": {"x": {**x, "field": "sync"}, "x2": {"field": "async"}, "y": y},
                },
                {
                    "mark": {"type": "rule", "aria": False, "strokeWidth": 3},
                    "encoding": {"x": {**x, "field": "x1"}, "x2": {"field": "x2"}, "y": y, "color": colour},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                    "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": about},
                },
            ],
        },
        "Throughput of sync and async inference by machine",
    )
