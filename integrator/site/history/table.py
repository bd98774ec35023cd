"""Tests across the campaigns as rows that a template draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from integrator.site.cells import format_number
from integrator.site.history.changes import Change
from integrator.site.history.sparkline import Sparkline, sparkline
from integrator.site.history.timeline import MEASURES, Measure, Timeline
from integrator.statistics.compare import Outcome
from integrator.statistics.compare_many import OUTCOMES
from protocol.result import Status

__all__ = ["HistoryCell", "HistoryRow", "first_rows", "percent", "rows"]

_SIGNS = {Outcome.FASTER: "▲", Outcome.SLOWER: "▼", Outcome.EQUIVALENT: "≈", Outcome.INCONCLUSIVE: "?"}
_DOUBLE = 2.0


@dataclass(frozen=True, slots=True)
class HistoryCell:
    """One test in one campaign; all texts are empty where the campaign has no such test."""

    value: str = ""
    """With three significant digits; empty: it has none."""
    exact: str = ""
    interval: str = ""
    status: str = ""
    """How it ended, where that is not ok."""
    doubt: str = ""
    """noisy, invalid; empty for a valid one."""
    sign: str = ""
    change: str = ""
    """What it is against the campaign before, in words and per cent; empty: it is not compared."""
    tone: str = ""
    """faster or slower, where that is certain: the only changes that get a colour."""
    detail: str = ""
    """The ratio, its interval, and what it is compared with."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One test."""

    machine: str
    model: str
    label: str
    row: str
    href: str
    measure: Measure
    picture: Sparkline
    cells: tuple[HistoryCell, ...]


def percent(ratio: float) -> str:
    """How much more or less: "+8.2 %"; from a doubling on "2.31 ×"."""
    if ratio >= _DOUBLE or ratio <= 1 / _DOUBLE:
        return f"{format_number(ratio)} ×"
    change = 100 * (ratio - 1)
    sign = "+" if change > 0 else "−" if change < 0 else "±"  # noqa: RUF001 - a minus sign
    return f"{sign}{abs(change):.1f} %"


def first_rows(timeline: Timeline, found: Sequence[Change], most: int) -> list[int]:
    """Which tests to show where not all can be: those that certainly changed last, then the table's order."""
    place = {row: at for at, row in enumerate(timeline.tests["row"].tolist())}
    chosen = dict.fromkeys(place[change.test.row] for change in found[:most])
    for at in range(len(timeline.tests)):
        if len(chosen) >= most:
            break
        chosen.setdefault(at)
    return sorted(chosen)


def rows(timeline: Timeline, places: Sequence[int], columns: Sequence[int]) -> tuple[HistoryRow, ...]:
    """The tests at these places, with a cell for each of these campaigns."""
    primary = timeline.primary
    certain = {measure.key: timeline.certain(measure.key) for measure in MEASURES}
    other_model = timeline.other_model
    kinds = _kinds(timeline)
    facts = timeline.tests.iloc[list(places)].to_dict("records")
    found = []
    for at, test in zip(places, facts, strict=True):
        measure = MEASURES[int(primary[at])]
        value, low, high = (timeline.values[key][at] for key in (measure.key, measure.low, measure.high))
        found.append(
            HistoryRow(
                machine=str(test["machine"]),
                model=str(test["model"]),
                label=str(test["label"]),
                row=str(test["row"]),
                href=str(test["href"]),
                measure=measure,
                picture=sparkline(value.tolist(), low.tolist(), high.tolist(), kinds[at].tolist()),
                cells=tuple(
                    _cell(
                        timeline,
                        at,
                        column,
                        measure,
                        certain=bool(certain[measure.key][at, column]),
                        other_model=bool(other_model[at, column]),
                    )
                    for column in columns
                ),
            )
        )
    return tuple(found)


def _kinds(timeline: Timeline) -> npt.NDArray[np.object_]:
    kinds = np.where(timeline.rank_ok, "ok", "doubtful").astype(object)
    kinds[timeline.status != Status.OK.value] = "bad"
    kinds[timeline.status == ""] = ""
    return kinds


def _cell(
    timeline: Timeline, at: int, column: int, measure: Measure, *, certain: bool, other_model: bool
) -> HistoryCell:
    status = str(timeline.status[at, column])
    if status == "":
        return HistoryCell()
    if status != Status.OK.value:
        return HistoryCell(status=status.replace("_", " "))
    value, low, high = (
        float(timeline.values[key][at, column]) for key in (measure.key, measure.low, measure.high)
    )
    verdict = str(timeline.verdict[at, column])
    sign, change, tone, detail = _change(timeline, at, column, measure, certain, other_model)
    return HistoryCell(
        value=format_number(value) if math.isfinite(value) else "",
        exact=f"{value:,.12g} {measure.unit}" if math.isfinite(value) else "",
        interval=f"{format_number(low)} to {format_number(high)}" if math.isfinite(low + high) else "",
        doubt="" if verdict == "valid" else verdict,
        sign=sign,
        change=change,
        tone=tone,
        detail=detail,
    )


def _change(
    timeline: Timeline, at: int, column: int, measure: Measure, certain: bool, other_model: bool
) -> tuple[str, str, str, str]:
    before = int(timeline.before[at, column])
    if before < 0:
        return "", "", "", ""
    than = timeline.campaigns[before].title
    if other_model:
        return "", "another model file", "", f"the model's file is not that of {than}: not compared"
    ratio, low, high = (
        float(numbers[measure.key][at, column])
        for numbers in (timeline.ratio, timeline.ratio_low, timeline.ratio_high)
    )
    if not math.isfinite(ratio):
        return "", "", "", ""
    if not math.isfinite(low):
        return "?", "too few runs", "", f"ratio to {than}: {ratio:.3f}; too few runs for an interval"
    outcome = OUTCOMES[timeline.outcome[measure.key][at, column]]
    words = str(outcome)
    if outcome in {Outcome.FASTER, Outcome.SLOWER}:
        words = f"{percent(ratio)} {outcome}" if certain else f"{percent(ratio)}, in doubt"
    detail = f"ratio to {than}: {ratio:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    return _SIGNS[outcome], words, str(outcome) if certain else "", detail
