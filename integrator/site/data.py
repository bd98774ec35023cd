"""What the results site shows, as plain values: no HTML, no files.

`view_of` turns the merged table, the machines' descriptions and the facts of the campaign into a `View`.
Pages draw a view.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pandas import DataFrame

from integrator.rejected import NOTHING_REJECTED, RejectedFiles
from integrator.site.answers import BestTable, best_tables
from integrator.site.cells import (
    Cell,
    clean_text,
    count_cell,
    number_cell,
    text_cell,
    to_number,
    to_text,
)
from integrator.site.columns import COLUMNS, GROUPS, Column, Group
from integrator.site.machines import MachineFacts, machine_facts
from integrator.site.rows import RawFile, Row
from integrator.site.source import CampaignFacts
from protocol.layout import split_result_name
from protocol.machine import MachineDescription
from protocol.release import short_version
from protocol.result import Status

__all__ = ["CampaignFacts", "Summary", "View", "rows_of", "view_of"]

_MOST_REJECTED = 100
_FLOATING = {"f32", "f16", "bf16"}
_NUMBERS = {column.key for column in COLUMNS if column.kind != "text"} | {
    "latency_p95_ms",
    "latency_min_ms",
    "latency_max_ms",
    "latency_low_ms",
    "latency_high_ms",
    "throughput_low_fps",
    "throughput_high_fps",
    "latency_p95_high_ms",
    "latency_p99_high_ms",
}
_INTERVALS = {
    "latency_ms": ("latency_low_ms", "latency_high_ms"),
    "throughput_fps": ("throughput_low_fps", "throughput_high_fps"),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """The campaign in a few numbers."""

    machines: int
    models: int
    tests: int
    ok: int
    not_ok: tuple[tuple[str, int], ...]
    """Each other status that occurs, in words, and how often."""
    done: int
    """Tests that ended in some way; the others have not run."""
    noisy: int
    invalid: int
    openvino_versions: tuple[str, ...]
    partial: str
    """Says how far an incomplete campaign has come; empty for a complete one."""

    @property
    def failures(self) -> int:
        """How many tests are not ok."""
        return self.tests - self.ok


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file that a machine sent and that is not in the table."""

    machine: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the site shows."""

    campaign: CampaignFacts
    summary: Summary
    best: tuple[BestTable, ...]
    rows: tuple[Row, ...]
    machines: tuple[MachineFacts, ...]
    groups: tuple[Group, ...]
    """The columns that have something to say here."""
    rejected: tuple[RejectedFile, ...] = ()
    rejected_more: int = 0
    """How many beyond those that are shown."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those of all groups."""
        return tuple(column for group in self.groups for column in group.columns)


def view_of(
    table: DataFrame,
    *,
    machines: Mapping[str, MachineDescription],
    campaign: CampaignFacts,
    raw_files: Mapping[str, Collection[str]] | None = None,
    rejected: RejectedFiles = NOTHING_REJECTED,
) -> View:
    """Work out what to show. `raw_files` names each machine's raw result files, `<test_id>.<run>.json.gz`."""
    rows = rows_of(table, raw_files=raw_files, raw_folder=f"data/raw/{campaign.id}")
    names = list(dict.fromkeys([*(row.machine for row in rows), *sorted(map(clean_text, machines))]))
    described = {clean_text(name): description for name, description in machines.items()}
    return View(
        campaign=campaign,
        summary=_summary(rows, machines=len(names), campaign=campaign),
        best=best_tables(rows),
        rows=rows,
        machines=tuple(machine_facts(name, described.get(name)) for name in names),
        groups=_groups(rows),
        rejected=tuple(
            RejectedFile(*map(clean_text, (file.machine, file.name, file.reason)))
            for file in rejected.files[:_MOST_REJECTED]
        ),
        rejected_more=len(rejected.files[_MOST_REJECTED:]) + sum(rejected.more.values()),
    )


def rows_of(
    table: DataFrame,
    *,
    raw_files: Mapping[str, Collection[str]] | None = None,
    raw_folder: str = "data/raw",
) -> tuple[Row, ...]:
    """Every test of the table, in the table's order."""
    anchors: set[str] = set()
    raw = _raw_by_test(raw_files or {}, raw_folder)
    return tuple(_row(record, anchors, raw) for record in _records(table))


def _groups(rows: Sequence[Row]) -> tuple[Group, ...]:
    def says_something(column: Column) -> bool:
        return column.usual is None or any(
            row.cells[column.key].text not in ("", column.usual) for row in rows
        )

    shown = (Group(group.heading, tuple(filter(says_something, group.columns))) for group in GROUPS)
    return tuple(group for group in shown if group.columns)


def _records(table: DataFrame) -> list[dict[str, object]]:
    names = [str(name) for name in table.columns]
    return [dict(zip(names, values, strict=True)) for values in table.itertuples(index=False, name=None)]


def _row(
    record: Mapping[str, object], anchors: set[str], raw: Mapping[tuple[str, str], tuple[RawFile, ...]]
) -> Row:
    machine, test = to_text(record.get("machine")), to_text(record.get("test_id"))
    return Row(
        anchor=_anchor(f"{machine}-{test}", anchors),
        machine=machine,
        model=to_text(record.get("model")),
        # Without a status nothing says that the test went well.
        status=to_text(record.get("status")) or str(Status.NOT_RUN),
        reason=to_text(record.get("reason")),
        verdict=to_text(record.get("verdict")),
        verdict_reasons=to_text(record.get("verdict_reasons")),
        cells={column.key: _cell(column, record) for column in COLUMNS},
        values={key: _json_value(key, value) for key, value in record.items()},
        raw=raw.get((machine, test), ()),
    )


def _cell(column: Column, record: Mapping[str, object]) -> Cell:
    value = record.get(column.key)
    if column.kind == "number":
        cell = number_cell(value, column.unit)
        return _with_interval(cell, column, record) if column.key in _INTERVALS else cell
    if column.kind == "count":
        return count_cell(value)
    if column.key == "precision":
        return text_cell(value, detail=_ran_in(record))
    if column.key == "device":
        return text_cell(value, detail=_ran_on(record))
    if column.key == "openvino":
        return text_cell(value, detail=_measured_by(record))
    return text_cell(value)


def _with_interval(cell: Cell, column: Column, record: Mapping[str, object]) -> Cell:
    """The ends of the interval in a second line; where there is none, the tooltip says what is missing."""
    low, high = (number_cell(record.get(key), column.unit) for key in _INTERVALS[column.key])
    if cell.kind != "number" or "missing" in (low.kind, high.kind):
        return cell
    if low.kind == high.kind == "number":
        exact = f"{cell.exact}; 95 % interval {low.exact} to {high.exact}"
        return replace(cell, exact=exact, detail=f"{low.text} to {high.text}")
    return replace(cell, exact=f"{cell.exact}; 95 % interval: {low.text}")


def _ran_in(record: Mapping[str, object]) -> str:
    """How the device ran a floating-point model, where that is not the precision of its file.

    A quantized model reports the precision of what was left unquantized, which says nothing of the rest.
    """
    file = to_text(record.get("precision")).casefold().replace("fp", "f")
    effective = to_text(record.get("effective_precision"))
    differs = effective.casefold().replace("fp", "f") != file
    return f"ran in {effective}" if effective and file in _FLOATING and differs else ""


def _ran_on(record: Mapping[str, object]) -> str:
    devices = to_text(record.get("execution_devices"))
    return f"ran on {devices}" if devices and devices != to_text(record.get("device")) else ""


def _measured_by(record: Mapping[str, object]) -> str:
    version = to_text(record.get("openvino_version"))
    return f"ran {short_version(version)}" if version and record.get("status") == Status.OK else ""


def _json_value(key: str, value: object) -> float | str | None:
    number = to_number(value) if key in _NUMBERS else None
    if number is not None:
        return int(number) if number.is_integer() else number
    return to_text(value) or None


def _anchor(text: str, taken: set[str]) -> str:
    """An id that stays the same from one build to the next and is unique on the page."""
    base = "row-" + (re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-")[:200] or "test")
    anchor, count = base, 1
    while anchor in taken:
        count += 1
        anchor = f"{base}--{count}"
    taken.add(anchor)
    return anchor


def _raw_by_test(
    raw_files: Mapping[str, Collection[str]], folder: str
) -> dict[tuple[str, str], tuple[RawFile, ...]]:
    found: dict[tuple[str, str], list[RawFile]] = {}
    for machine, names in raw_files.items():
        for name in names:
            if split := split_result_name(name):
                file = RawFile(run=split[1], href=f"{folder}/{machine}/{name}")
                found.setdefault((machine, split[0]), []).append(file)
    return {key: tuple(sorted(files, key=lambda file: file.run)) for key, files in found.items()}


def _partial(rows: Sequence[Row], done: int, campaign: CampaignFacts) -> str:
    if campaign.complete:
        return ""
    runs = f", {campaign.runs[0]:,} of {campaign.runs[1]:,} runs" if campaign.runs else ""
    return f"partial: {done} of {len(rows)} tests{runs}"


def _summary(rows: Sequence[Row], *, machines: int, campaign: CampaignFacts) -> Summary:
    statuses = Counter(row.status for row in rows)
    done = len(rows) - statuses[Status.NOT_RUN]
    known = [str(status) for status in Status]
    order = [*known, *sorted(set(statuses) - set(known))]
    return Summary(
        machines=machines,
        models=len({row.model for row in rows}),
        tests=len(rows),
        ok=statuses[Status.OK],
        not_ok=tuple(
            (status.replace("_", " "), statuses[status])
            for status in order
            if status != Status.OK and statuses[status]
        ),
        done=done,
        noisy=_verdicts(rows, "noisy"),
        invalid=_verdicts(rows, "invalid"),
        openvino_versions=tuple(
            dict.fromkeys(str(version) for row in rows if (version := row.values.get("openvino_version")))
        ),
        partial=_partial(rows, done, campaign),
    )


def _verdicts(rows: Iterable[Row], verdict: str) -> int:
    return sum(row.verdict == verdict for row in rows)
