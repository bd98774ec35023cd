"""What stands behind the numbers, as scripts that a page loads when it is asked. Pure: tables to bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.columns import COLUMNS as ALL_COLUMNS
from integrator.site.cells import to_text
from integrator.site.columns import COLUMNS
from integrator.site.explain.detail import CONDITIONS, PHASES, SHARES
from integrator.site.explain.script import shard
from integrator.site.ids import file_name, row_id
from integrator.site.page import Asset
from integrator.site.source import TestDetail
from integrator.statistics.verdict import REASONS

__all__ = ["detail_shards", "run_shards", "words"]

_SHARED = ("properties", "model", "measure", "unknown")
"""Parts of a detail that many tests have in common: each different one is kept once in a shard."""
_LISTED = ("settings",)
"""Lists whose entries are kept once each."""


def words(details: Mapping[str, Mapping[str, Sequence[str]]]) -> Asset:
    """What the drawer says in words: reasons and their advice, columns, phases, conditions.

    Args:
        details: By campaign and the file name of a machine, the file names of the models whose tests have
            details, so that no page asks for a script that is not there.
    """
    value = {
        "details": details,
        "reasons": {
            name: {"verdict": reason.verdict.value, "meaning": reason.meaning, "advice": reason.advice}
            for name, reason in REASONS.items()
        },
        "columns": {
            column.key: {
                "heading": column.heading,
                "unit": column.unit,
                "better": column.better,
                "meaning": column.meaning,
            }
            for column in COLUMNS
        },
        "order": list(ALL_COLUMNS),
        "phases": PHASES,
        "conditions": {key: {"words": name, "unit": unit} for key, (name, unit, _, _) in CONDITIONS.items()},
        "shares": list(SHARES),
    }
    return "assets/words.js", shard("words", value)


def detail_shards(
    campaign: str,
    frame: pd.DataFrame,
    details: Mapping[tuple[str, str], TestDetail],
    raw: Mapping[str, Collection[str]],
) -> Iterator[Asset]:
    """`data/explain/<campaign>/<machine>/<model>.js`: the details of a machine's tests of a model, by row.

    Args:
        campaign: Its id.
        frame: The campaign's table, as `integrator.site.frame.tidy` makes it.
        details: By machine and test id.
        raw: By machine, the names of the raw files that the site carries.
    """
    if not details:
        return
    for (machine, model), rows in frame.groupby(["machine", "model"], sort=False, observed=True):
        carried = raw.get(str(machine), ())
        shared = {part: _Once() for part in (*_SHARED, *_LISTED)}
        tests = {}
        for row, test in zip(rows["row"], rows["test_id"], strict=True):
            detail = details.get((str(machine), test))
            if detail is not None:
                kept: dict[str, object] = {part: shared[part].place(detail[part]) for part in _SHARED}
                kept |= {part: [*map(shared[part].place, _list(detail[part]))] for part in _LISTED}
                tests[row] = {**detail, **kept, "runs": _with_files(detail["runs"], carried)}
        if tests:
            name = f"explain/{campaign}/{file_name(str(machine))}/{file_name(str(model))}"
            value = {"tests": tests, "shared": {part: once.values for part, once in shared.items()}}
            yield f"data/{name}.js", shard(name, value)


def run_shards(campaign: str, runs: pd.DataFrame, machines: Iterable[str] = ()) -> Iterator[Asset]:
    """`data/runs/<campaign>/<machine>.js`: the numbers of every good run of a machine, by row.

    `rows` holds the ids one after the other, each `characters` long; `counts` how many runs each has, as
    unsigned numbers of 16 bits; `latency` (ms) and `throughput` (FPS) their values, as 64-bit floats:
    all in base64, the lowest byte first.

    Args:
        campaign: Its id.
        runs: With the columns of `integrator.site.source.RUN_COLUMNS`.
        machines: Those that get a script even where none of their runs came back.
    """
    latency, throughput = (runs[key].to_numpy(dtype=np.float64) for key in ("latency_ms", "throughput_fps"))
    good = np.isfinite(latency) & np.isfinite(throughput)
    codes, machine_names = _names(runs["machine"])
    tests, test_names = _names(runs["test_id"])
    groups = codes.astype(np.int64) * len(test_names) + tests
    order = np.lexsort((runs["run"].to_numpy(dtype=np.int64), groups))
    order = order[good[order]]
    groups, latency, throughput = groups[order], latency[order], throughput[order]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    counts = np.diff(starts, append=groups.size)
    of_machine = groups[starts] // max(len(test_names), 1)
    for code, machine in enumerate(dict.fromkeys([*machine_names, *machines])):
        first, last = np.searchsorted(of_machine, [code, code + 1]).tolist()
        begin, end = (starts[at] if at < starts.size else groups.size for at in (first, last))
        ids = [row_id(machine, test_names[g % len(test_names)]) for g in groups[starts[first:last]].tolist()]
        value = {
            "characters": len(ids[0]) if ids else 1,
            "rows": "".join(ids),
            "counts": _base64(counts[first:last].astype("<u2")),
            "latency": _base64(latency[begin:end].astype("<f8")),
            "throughput": _base64(throughput[begin:end].astype("<f8")),
        }
        name = f"runs/{campaign}/{file_name(machine)}"
        yield f"data/{name}.js", shard(name, value)


def _names(values: pd.Series) -> tuple[npt.NDArray[np.int64], list[str]]:
    """As the tidy table has them; a code for each value."""
    codes, different = pd.factorize(values)
    again, names = pd.factorize(np.array([*map(to_text, different)], dtype=object))
    return again[codes] if len(different) else codes, list(names)


class _Once:
    """Equal values, kept once each."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._places: dict[str, int] = {}

    def place(self, value: object) -> int:
        """Where it is in `values`."""
        place = self._places.setdefault(json.dumps(value), len(self.values))
        if place == len(self.values):
            self.values.append(value)
        return place


def _list(value: object) -> list[object]:
    assert isinstance(value, list)  # noqa: S101 - as detail makes it
    return value


def _with_files(runs: object, carried: Collection[str]) -> object:
    """Only the files that are there to be linked to."""
    assert isinstance(runs, dict)  # noqa: S101 - as detail makes it
    return {**runs, "file": [name if name in carried else None for name in runs["file"]]}


def _base64(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
