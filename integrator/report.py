"""The table in the terminal, and as lines for a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from integrator.site.cells import format_number
from integrator.site.frame import NUMBERS, tidy
from protocol.result import Status

__all__ = ["format_plain", "render_table"]

_DASH = "–"
_WIDE = 96
"""From this many columns on there is room for p99."""
_STYLES = {"valid": "", "noisy": "yellow", "invalid": "red"}


@dataclass(frozen=True, slots=True)
class _Row:
    """One test, as it is printed."""

    machine: str
    model: str
    scenario: str
    label: str
    """What was set."""
    status: str
    reason: str
    verdict: str
    verdict_reasons: str
    numbers: Mapping[str, float]
    notes: Mapping[str, str]
    """Sentences in place of numbers, such as "needs 512 more"."""

    @property
    def ok(self) -> bool:
        return self.status == Status.OK

    @property
    def status_words(self) -> str:
        return self.status.replace("_", " ")

    def text(self, key: str, unit: str = "") -> str:
        """Three significant digits, the sentence that stands in their place, or a dash."""
        number = self.numbers[key]
        if np.isnan(number):
            return self.notes.get(key) or _DASH
        return (f"{number:,.0f}" if key == "batch" else format_number(number)) + unit


def _rows(table: DataFrame) -> tuple[_Row, ...]:
    frame = tidy(table)
    texts = ("machine", "model", "scenario", "label", "status", "reason", "verdict", "verdict_reasons")
    notes = [column for column in frame if str(column).endswith("__note")]
    return tuple(
        _Row(
            **{key: record[key] for key in texts},
            numbers={key: record[key] for key in NUMBERS},
            notes={str(key).removesuffix("__note"): record[key] for key in notes},
        )
        for record in frame.to_dict("records")
    )


def render_table(table: DataFrame, *, console: Console) -> None:
    """Print a row for every test, and below the table in full why tests are not ok or not valid.

    Needs 80 columns; from 96 on it has p99 as well.
    """
    rows = _rows(table)
    notes = [row for row in rows if _note(row)]
    console.print(_table(rows, notes, wide=console.width >= _WIDE))
    console.print()
    if notes:
        console.print(_notes(notes))
        console.print()
    console.print(Text(_totals(rows)))


def format_plain(table: DataFrame) -> str:
    """A line for every test, each readable on its own, and the totals: no colours, no control characters."""
    rows = _rows(table)
    return "\n".join([*map(_line, rows), _totals(rows)]) + "\n"


def _table(rows: Sequence[_Row], notes: Sequence[_Row], *, wide: bool) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("machine", "model"):
        drawn.add_column(name, overflow="fold", min_width=8)
    drawn.add_column("scenario", overflow="fold")
    for name in ("batch", "latency\nms", *(["p99\nms"] if wide else []), "FPS", "throughput\nFPS"):
        drawn.add_column(name, justify="right", overflow="fold")
    drawn.add_column("outcome", overflow="fold", min_width=11)
    numbers = {id(row): number for number, row in enumerate(notes, start=1)}
    keys = ("batch", "latency_ms", *(["latency_p99_ms"] if wide else []), "fps", "throughput_fps")
    for row in rows:
        drawn.add_row(
            Text(row.machine),
            Text(row.model),
            Text(row.scenario),
            *(_number(row, key) for key in keys),
            _outcome(row, numbers.get(id(row))),
        )
    return drawn


def _number(row: _Row, key: str) -> Text:
    return Text(row.text(key), style="dim" if np.isnan(row.numbers[key]) else "")


def _outcome(row: _Row, number: int | None) -> Text:
    words = _outcome_words(row)
    style = _STYLES.get(row.verdict, "") if row.ok else "bold red"
    return Text(words + (f" [{number}]" if number else ""), style=style)


def _outcome_words(row: _Row) -> str:
    return (row.verdict or "ok") if row.ok else row.status_words


def _note(row: _Row) -> str:
    """Why a test is not ok, or why its numbers are not to be trusted."""
    if not row.ok:
        return row.reason or "no reason was given"
    return row.verdict_reasons if row.verdict != "valid" else ""


def _notes(rows: Sequence[_Row]) -> Table:
    drawn = Table.grid(padding=(0, 1, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for number, row in enumerate(rows, start=1):
        style = _STYLES.get(row.verdict, "") if row.ok else "bold red"
        note = Text(_outcome_words(row), style=style)
        note.append(f"  {row.machine} · {row.model} · {row.label}\n{_note(row)}", style="not bold default")
        drawn.add_row(Text(f"[{number}]"), note)
    return drawn


def _line(row: _Row) -> str:
    head = f"{row.machine} {row.model} ({row.label}): "
    if not row.ok:
        return _one_line(f"{head}{row.status_words}: {_note(row)}")
    facts = ", ".join(_facts(row))
    because = f" ({row.verdict_reasons})" if row.verdict_reasons else ""
    return _one_line(f"{head}{facts}; {row.verdict or 'no verdict'}{because}")


def _facts(row: _Row) -> Iterator[str]:
    for name, key, unit in (
        ("latency", "latency_ms", " ms"),
        ("p99", "latency_p99_ms", " ms"),
        ("", "fps", " FPS"),
        ("throughput", "throughput_fps", " FPS"),
    ):
        yield f"{name} {row.text(key, unit)}".strip()


def _one_line(text: str) -> str:
    """A text from a machine must not begin a line of its own in the log."""
    return " ".join(text.split())


def _totals(rows: Sequence[_Row]) -> str:
    ok = sum(row.ok for row in rows)
    parts = [f"{len(rows)} test{'' if len(rows) == 1 else 's'}: {ok} ok, {len(rows) - ok} not ok"]
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("noisy", "invalid")}
    parts += [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return ", ".join(parts)
