"""The precision ladder: what a model's lower precisions bring on each machine."""

from __future__ import annotations

from integrator.site.cells import format_number
from integrator.site.charts.chart import (
    MOST_SERIES,
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
    series,
    tooltip,
    whole,
)

__all__ = ["ladder"]

_RUNGS = ("FP64", "FP32", "BF16", "FP16", "FP8", "INT8", "INT4")
_SETTING = ("device", "scenario", "hint", "batch", "timed_region", "openvino", "settings")
_LEAST = 2


def ladder(frame: Rows) -> Chart | str:
    """The throughput of each precision on each machine, everything else that was asked for being equal.

    Of a machine's settings the one that is there in most precisions, then the fastest. Where a precision has
    several tests in it (of streams, threads or requests), the fastest.

    Args:
        frame: Rows of one model.
    """
    ladders = _ladders(frame)
    if not ladders:
        return "No machine has valid tests of the same setting in two precisions."
    shown = sorted(
        ladders.items(), key=lambda item: (-len(item[1]), -max(r.throughput for r in item[1].values()))
    )
    names = distinct(machine for machine, _ in shown[:MOST_SERIES])
    order = sorted({precision for _, rungs in shown for precision in rungs}, key=_place)
    values: list[Spec] = []
    rows: list[tuple[str, ...]] = []
    for machine, rungs in shown:
        precisions = sorted(rungs, key=_place)
        for precision in precisions:
            rung = rungs[precision]
            gain = f"{format_number(rung.throughput / rungs[precisions[0]].throughput)} × {precisions[0]}"
            rows.append((machine, precision, rung.text, gain, rung.label))
            if machine in names:
                values.append(
                    {
                        "series": names[machine],
                        "machine": machine,
                        "precision": precision,
                        "setting": rung.label,
                        "row": rung.row,
                        "y": brief(rung.throughput),
                        "y1": brief(rung.ends[0]),
                        "y2": brief(rung.ends[1]),
                        "gain": gain,
                    }
                )
    most = (
        f" Drawn: {len(names)} of {len(ladders)} machines; the table has all."
        if len(names) < len(ladders)
        else ""
    )
    return Chart(
        spec=_spec(values, list(names.values()), order),
        caption="Throughput by precision of the model's file, all other settings equal; accuracy is not "
        f"looked at here.{most}",
        headings=("machine", "precision", "throughput, FPS", "ratio", "setting"),
        rows=tuple(rows),
    )


def _ladders(frame: Rows) -> dict[str, dict[str, Measured]]:
    keys = (THROUGHPUT.key, THROUGHPUT.low, THROUGHPUT.high)
    found: dict[tuple[object, ...], dict[str, Measured]] = {}
    for ranked, machine, precision, y, y1, y2, label, row, *setting in columns(
        frame, "rank_ok", "machine", "precision", *keys, "label", "row", *_SETTING
    ):
        if not ranked or not precision or not y > 0:
            continue
        rungs = found.setdefault((machine, *map(str, setting)), {})
        if precision not in rungs or rungs[precision].throughput < y:
            rungs[precision] = Measured(y, y1, y2, label, row)
    best: dict[str, dict[str, Measured]] = {}
    for (machine, *_), rungs in found.items():
        if len(rungs) >= _LEAST and _rank(rungs) > _rank(best.get(str(machine), {})):
            best[str(machine)] = rungs
    return best


def _rank(rungs: dict[str, Measured]) -> tuple[int, float]:
    return len(rungs), max((rung.throughput for rung in rungs.values()), default=0.0)


def _place(precision: str) -> tuple[int, str]:
    return (_RUNGS.index(precision) if precision in _RUNGS else len(_RUNGS)), precision


def _spec(values: list[Spec], names: list[str], order: list[str]) -> Spec:
    colour, shape = series(names, "machine")
    scale = log_scale(value[end] for value in values for end in ("y1", "y2"))
    x: Spec = {
        "field": "precision",
        "type": "ordinal",
        "scale": {"domain": order},
        "axis": {"title": "precision of the model's file", "labelAngle": 0},
    }
    y: Spec = {
        "field": "y",
        "type": "quantitative",
        "scale": scale,
        "axis": log_axis(THROUGHPUT.title, scale),
    }
    about = tooltip(
        ("machine", "machine"), ("setting", "setting"), ("gain", "ratio"), numbers=[("y", "throughput, FPS")]
    )
    return whole(
        {
            "width": WIDTH,
            "height": 240,
            "data": {"values": values},
            "layer": [
                {"mark": {"type": "line", "aria": False}, "encoding": {"x": x, "y": y, "color": colour}},
                {
                    "mark": {"type": "rule", "aria": False, "strokeWidth": 1.5},
                    "encoding": {"x": x, "y": {**y, "field": "y1"}, "y2": {"field": "y2"}, "color": colour},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                    "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": about},
                },
            ],
        },
        "Throughput by precision",
    )
