"""How throughput grows with the batch, the streams or the threads, and where it stops to pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from integrator.site.cells import format_number
from integrator.site.charts.chart import (
    LATENCY,
    MOST_SERIES,
    THROUGHPUT,
    WIDTH,
    Chart,
    Rows,
    Spec,
    axis,
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

__all__ = ["Swept", "knee", "scaling"]

Swept = Literal["batch", "streams", "threads"]

_LEAST_BEND = 0.1
_LEAST_FOR_A_KNEE = 3
_FIXED = ("machine", "precision", "device", "scenario", "hint", "timed_region", "openvino", "settings")
_COUNTS = ("batch", "streams", "threads", "requests")
_CHOSEN_BY = {"batch": ("streams", "threads", "requests"), "streams": ("requests",), "threads": ()}
"""What may differ beside what is swept: OpenVINO chooses it, or it follows."""


@dataclass(frozen=True, slots=True)
class _Step:
    n: float
    throughput: float
    low: float
    high: float
    latency: float
    label: str
    row: str

    @property
    def text(self) -> str:
        """The throughput with its interval, in FPS."""
        return between(self.throughput, self.low, self.high)


def knee(counts: list[float], throughputs: list[float]) -> int | None:
    """The place of the knee: from there on, more brings less and less.

    With both scaled to 0 … 1, x = (n - n₁) ÷ (n_k - n₁) and y = (T - T₁) ÷ (T_k - T₁), where k is the place
    of the greatest throughput, the knee is where the curve lies farthest above the straight line between
    its ends: max (y - x). (Satopää, Albrecht, Irwin & Raghavan, "Finding a 'Kneedle' in a Haystack", 2011,
    without its smoothing: there are few points, each a median.)

    Args:
        counts: Ascending.
        throughputs: Of each count.

    Returns:
        The place; None where there are fewer than three points up to the greatest throughput, and where the
        curve bends by less than 0.1: throughput grows on, and more may pay still.
    """
    last = max(range(len(throughputs)), key=throughputs.__getitem__, default=0)
    if len(counts) >= _LEAST_FOR_A_KNEE and last + 1 < _LEAST_FOR_A_KNEE:
        return last  # it has its best at once, or after one step, and then falls
    if last + 1 < _LEAST_FOR_A_KNEE or throughputs[last] <= throughputs[0]:
        return None
    width, height = counts[last] - counts[0], throughputs[last] - throughputs[0]
    above = [
        (throughputs[place] - throughputs[0]) / height - (counts[place] - counts[0]) / width
        for place in range(last + 1)
    ]
    best = max(range(last + 1), key=above.__getitem__)
    if above[best] >= _LEAST_BEND:
        return best
    return last if last + 1 < len(counts) else None


def scaling(frame: Rows, swept: Swept) -> Chart | str:
    """One line for each machine: of its sweeps with equal other settings the longest, then the fastest.

    Above, throughput with its interval, the knee, and dashed what it would be if it grew in proportion to
    the count. Below, for streams and threads the parallel efficiency E(n) = (T(n) ÷ T(n₁)) ÷ (n ÷ n₁) with
    n₁ the smallest count; for batches the median latency of one batch, which is what throughput is paid with.

    Args:
        frame: Rows of one model.
        swept: What is counted along the axis.
    """
    sweeps = _longest(_sweeps(frame, swept))
    if not sweeps:
        return f"No machine has valid tests that differ in nothing but their {_noun(swept)}."
    shown = sorted(sweeps.items(), key=lambda item: (-len(item[1]), -_best(item[1])))
    names = distinct(machine for machine, _ in shown[:MOST_SERIES])
    values: list[Spec] = []
    rows: list[tuple[str, ...]] = []
    for machine, steps in shown:
        bend = knee([step.n for step in steps], [step.throughput for step in steps])
        for place, step in enumerate(steps):
            efficiency = step.throughput / steps[0].throughput / (step.n / steps[0].n)
            rows.append(
                (
                    machine,
                    f"{step.n:g}{' (knee)' if place == bend else ''}",
                    step.text,
                    f"{format_number(100 * efficiency)} %",
                    format_number(step.latency),
                    step.label,
                )
            )
            if machine in names:
                values.append(_value(names[machine], machine, step, steps[0], efficiency, place == bend))
    caption = _caption(swept, len(names), len(sweeps))
    share = "share of the dashed line" if swept == "batch" else "parallel efficiency"
    return Chart(
        spec=_spec(values, list(names.values()), swept),
        caption=caption,
        headings=(
            "machine",
            swept,
            "throughput, FPS",
            share,
            "median latency, ms",
            "setting",
        ),
        rows=tuple(rows),
    )


def _sweeps(frame: Rows, swept: Swept) -> dict[tuple[Any, ...], dict[float, _Step]]:
    """By all other settings, the steps by count; of several tests of a count, the fastest."""
    keys = (THROUGHPUT.key, THROUGHPUT.low, THROUGHPUT.high, LATENCY.key)
    rows = columns(frame, "rank_ok", *_FIXED, *_COUNTS, "label", "row", *keys)
    others = [place for place, key in enumerate(_COUNTS) if key not in (swept, *_CHOSEN_BY[swept])]
    chosen = [place for place, key in enumerate(_COUNTS) if key in _CHOSEN_BY[swept] and key != "requests"]
    here = _COUNTS.index(swept)
    hint = _FIXED.index("hint")
    found: dict[tuple[Any, ...], dict[float, _Step]] = {}
    for ranked, *rest in rows:
        if not ranked:
            continue
        fixed, counts = rest[: len(_FIXED)], rest[len(_FIXED) : len(_FIXED) + len(_COUNTS)]
        label, row, y, y1, y2, latency = rest[len(_FIXED) + len(_COUNTS) :]
        n = counts[here]
        if not n > 0 or not y > 0:
            continue
        # Without a hint the streams and threads are asked for, so they are part of the setting.
        same = others if fixed[hint] not in {"", "none"} else [*others, *chosen]
        # As text: a count that is not known is no number, and so not equal to itself.
        sweep = found.setdefault((*fixed, *(str(counts[place]) for place in same)), {})
        if n not in sweep or sweep[n].throughput < y:
            sweep[n] = _Step(n, y, y1, y2, latency, label, row)
    return found


def _longest(sweeps: dict[tuple[Any, ...], dict[float, _Step]]) -> dict[str, list[_Step]]:
    by_machine: dict[str, list[_Step]] = {}
    for key, by_count in sweeps.items():
        steps = [by_count[n] for n in sorted(by_count)]
        other = by_machine.get(key[0])
        if len(steps) > 1 and (other is None or (len(steps), _best(steps)) > (len(other), _best(other))):
            by_machine[key[0]] = steps
    return by_machine


def _best(steps: list[_Step]) -> float:
    return max(step.throughput for step in steps)


def _noun(swept: Swept) -> str:
    return "batch" if swept == "batch" else f"number of {swept}"


def _caption(swept: Swept, shown: int, known: int) -> str:
    below = "the median latency of one batch"
    if swept != "batch":
        below = f"parallel efficiency, the share of a throughput in proportion to the {swept}"
    most = f" Drawn: {shown} of {known} machines; the table has all." if shown < known else ""
    return (
        f"Throughput by {_noun(swept)}, all other settings equal. Dashed: in proportion to the smallest. "
        f"Ringed: the knee, from which on more brings less and less. "
        f"Below: {below}.{most}"
    )


def _value(name: str, machine: str, step: _Step, first: _Step, efficiency: float, knee_here: bool) -> Spec:
    low, high = ends(step.throughput, step.low, step.high)
    return {
        "series": name,
        "machine": machine,
        "setting": step.label,
        "row": step.row,
        "n": step.n,
        "y": brief(step.throughput),
        "y1": brief(low),
        "y2": brief(high),
        "ideal": brief(first.throughput * step.n / first.n),
        "efficiency": brief(100 * efficiency),
        "latency": brief(step.latency) if step.latency > 0 else None,
        "knee": knee_here,
    }


def _spec(values: list[Spec], names: list[str], swept: Swept) -> Spec:
    colour, shape = series(names, "machine")
    counts = sorted({value["n"] for value in values})
    y_scale = log_scale(value[end] for value in values for end in ("y1", "y2"))
    x_scale: Spec = {**log_scale(counts, room=1.12), "base": 2}
    x: Spec = {
        "field": "n",
        "type": "quantitative",
        "scale": x_scale,
        "axis": axis(_noun(swept), values=counts, labelOverlap="greedy", grid=False),
    }
    y: Spec = {
        "field": "y",
        "type": "quantitative",
        "scale": y_scale,
        "axis": log_axis(THROUGHPUT.title, y_scale),
    }
    ideal = {**y, "field": "ideal"}
    full, x = x, {**x, "axis": {**x["axis"], "title": None}}
    points: Spec = {"type": "point", "filled": True, "size": 60, "opacity": 1}
    further = (
        ("latency", "median latency, ms") if swept == "batch" else ("efficiency", "parallel efficiency, %")
    )
    about = tooltip(
        ("machine", "machine"), ("setting", "setting"), numbers=(("y", "throughput, FPS"), further)
    )
    upper: Spec = {
        "width": WIDTH,
        "height": 220,
        "layer": [
            {
                "mark": {
                    "type": "line",
                    "strokeDash": [4, 4],
                    "strokeWidth": 1,
                    "opacity": 0.7,
                    "clip": True,
                },
                "encoding": {"x": x, "y": ideal, "color": colour},
            },
            {"mark": {"type": "line", "aria": False}, "encoding": {"x": x, "y": y, "color": colour}},
            {
                "mark": {"type": "rule", "aria": False, "strokeWidth": 1.5},
                "encoding": {"x": x, "y": {**y, "field": "y1"}, "y2": {"field": "y2"}, "color": colour},
            },
            {
                "transform": [{"filter": "datum.knee"}],
                "mark": {
                    "type": "point",
                    "shape": "circle",
                    "size": 260,
                    "stroke": "var(--ink)",
                    "strokeWidth": 1.25,
                },
                "encoding": {"x": x, "y": y},
            },
            {
                "mark": points,
                "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": about},
            },
        ],
    }
    return whole(
        {"data": {"values": values}, "vconcat": [upper, _lower(values, full, (colour, shape), swept, about)]},
        f"Throughput by {_noun(swept)}",
    )


def _lower(values: list[Spec], x: Spec, look: tuple[Spec, Spec], swept: Swept, about: list[Spec]) -> Spec:
    colour, shape = look
    if swept == "batch":
        scale = log_scale(value["latency"] for value in values if value["latency"])
        y: Spec = {
            "field": "latency",
            "type": "quantitative",
            "scale": scale,
            "axis": {**log_axis("", scale), "title": ["median latency, ms", "(lower is better)"]},
        }
        reference = []
    else:
        most = max(100.0, *(value["efficiency"] for value in values))
        y = {
            "field": "efficiency",
            "type": "quantitative",
            "scale": {"domain": [0, most], "nice": False},
            "axis": {**axis("", tickCount=4), "title": ["efficiency, %", "(higher is better)"]},
        }
        reference = [
            {
                "data": {"values": [{"efficiency": 100}]},
                "mark": {"type": "rule", "aria": False, "strokeDash": [4, 4]},
                "encoding": {"y": y},
            }
        ]
    return {
        "width": WIDTH,
        "height": 120,
        "layer": [
            *reference,
            {"mark": {"type": "line", "aria": False}, "encoding": {"x": x, "y": y, "color": colour}},
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": about},
            },
        ],
    }
