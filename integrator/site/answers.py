"""The answer first: the best that each machine did with each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from integrator.site.cells import MISSING, Cell, format_number
from integrator.site.rows import Row

__all__ = ["BestCell", "BestRow", "BestTable", "best_tables"]

# How far from the best of its row a cell is, for the depth of its tint.
_LEVELS = (1.05, 1.5, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class BestCell:
    """One model on one machine: the best test, or why there is none."""

    value: Cell = MISSING
    settings: str = ""
    anchor: str = ""
    """The row of the full table that the value comes from."""
    noisy: bool = False
    is_best: bool = False
    """Whether no other machine has a better value for this model."""
    relation: str = ""
    """How the value compares with the best of its row, in words."""
    level: int = 0
    """4 for the best and its equals, down to 0 for the farthest off."""
    note: str = ""
    """Why there is no value."""


@dataclass(frozen=True, slots=True)
class BestRow:
    """One model on every machine."""

    model: str
    cells: tuple[BestCell, ...]


@dataclass(frozen=True, slots=True)
class BestTable:
    """Models by machines, for one quantity."""

    key: str
    title: str
    unit: str
    better: Literal["lower", "higher"]
    machines: tuple[str, ...]
    rows: tuple[BestRow, ...]


def best_tables(rows: Sequence[Row]) -> tuple[BestTable, ...]:
    """Lowest latency (sync) and highest throughput of every model on every machine.

    Only tests that are ok and not invalid count.
    """
    return (
        _table(rows, "latency_ms", "Lowest latency", "ms", "lower"),
        _table(rows, "throughput_fps", "Highest throughput", "FPS", "higher"),
    )


def _table(
    rows: Sequence[Row], key: str, title: str, unit: str, better: Literal["lower", "higher"]
) -> BestTable:
    machines = tuple(dict.fromkeys(row.machine for row in rows))
    tests: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        tests.setdefault((row.model, row.machine), []).append(row)
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        picks = [_pick(tests.get((model, machine), []), key, better) for machine in machines]
        values = [_value(row, key) for row in picks if row]
        best = (min if better == "lower" else max)(values, default=None)
        cells = tuple(
            _cell(row, key, better, best, alone=len(values) == 1)
            if row and best is not None
            else BestCell(note=_why_none(tests.get((model, machine), []), key))
            for machine, row in zip(machines, picks, strict=True)
        )
        found.append(BestRow(model, cells))
    return BestTable(key, title, unit, better, machines, tuple(found))


def _value(row: Row, key: str) -> float:
    sort = row.cells[key].sort
    return float(sort) if sort is not None else 0.0


def _counts(row: Row, key: str) -> bool:
    """Whether a test may be the best: latency is that of sync, where requests do not wait for each other."""
    return (
        row.ok
        and row.verdict != "invalid"
        and row.cells[key].kind == "number"
        and (key != "latency_ms" or row.cells["scenario"].text == "sync")
    )


def _pick(tests: Sequence[Row], key: str, better: str) -> Row | None:
    pick = min if better == "lower" else max
    return pick((row for row in tests if _counts(row, key)), key=lambda row: _value(row, key), default=None)


def _cell(row: Row, key: str, better: str, best: float, *, alone: bool) -> BestCell:
    """A cell beside others is compared with them; the only one of its row is the best of nothing."""
    if alone:
        noisy = row.verdict == "noisy"
        return BestCell(value=row.cells[key], settings=row.settings, anchor=row.anchor, noisy=noisy)
    value = _value(row, key)
    is_best = value == best
    near, far = sorted((value, best))
    factor = far / near if near > 0 else 1.0 if is_best else float("inf")
    return BestCell(
        value=row.cells[key],
        settings=row.settings,
        anchor=row.anchor,
        noisy=row.verdict == "noisy",
        is_best=is_best,
        relation="best" if is_best else _relation(value, best, better),
        level=sum(factor <= bound for bound in _LEVELS),
    )


def _relation(value: float, best: float, better: str) -> str:
    if better == "lower":
        return f"{format_number(value / best)} × the best" if best > 0 else ""
    return f"{format_number(100 * value / best)} % of the best" if best > 0 else ""


def _why_none(tests: Sequence[Row], key: str) -> str:
    if not tests:
        return "not in this campaign"
    if key == "latency_ms" and not (tests := [row for row in tests if row.cells["scenario"].text == "sync"]):
        return "no sync test"
    outcomes = Counter(
        row.status_words if not row.ok else "invalid" if row.verdict == "invalid" else "without a number"
        for row in tests
    )
    return ", ".join(f"{count} {outcome}" if count > 1 else outcome for outcome, count in outcomes.items())
