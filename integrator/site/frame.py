"""A campaign's table, tidied for drawing: numbers as numbers, sentences beside them, texts clean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.columns import COLUMNS
from integrator.site.cells import to_text
from integrator.site.columns import COLUMNS as SHOWN
from integrator.site.ids import file_name, row_id
from protocol.result import Status

__all__ = ["NUMBERS", "ROWS_PER_PAGE", "machine_page", "tidy"]

NUMBERS = frozenset(column.key for column in SHOWN if column.kind != "text") | {
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
"""Columns that hold numbers; where one has none, a sentence may say why."""
ROWS_PER_PAGE = 400
"""Of a machine's tests: what stays under 60 KB when it is compressed."""

_LABEL = (
    "precision",
    "device",
    "scenario",
    "hint",
    "batch",
    "streams",
    "threads",
    "requests",
    "timed_region",
    "openvino",
    "settings",
)


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """The table in its order, with all of `integrator.columns.COLUMNS`.

    Columns of `NUMBERS` are float64 with NaN for what is missing; where one of them held a sentence, such as
    "needs 512 more", a column `<key>__note` holds it. All others are texts, empty for what is missing. Added:

    row      the test's id, `ids.row_id`; unique within the table
    href     where the row stands, from the site's root: machines/<machine>.html#<row>
    rank_ok  whether the test may be ranked: it ended ok, and its verdict is valid
    label    what was set, on one line, without machine and model
    """
    # By place, not by index: a table may come with any index, also with one that repeats itself.
    table = table.reset_index(drop=True)
    columns: dict[str, object] = {}
    for key in dict.fromkeys([*COLUMNS, *map(str, table.columns)]):
        values = table[key] if key in table else pd.Series([None] * len(table), dtype=object)
        if key in NUMBERS:
            numbers, notes = _numbers(values)
            columns[key] = numbers
            if notes is not None:
                columns[f"{key}__note"] = _plain(notes)
        else:
            columns[key] = _plain(_texts(values))
    frame = pd.DataFrame(columns, index=table.index)
    frame["status"] = frame["status"].where(frame["status"] != "", Status.NOT_RUN.value)
    frame["row"] = _plain(
        _unique([row_id(m, t) for m, t in zip(frame["machine"], frame["test_id"], strict=True)])
    )
    frame["href"] = _plain(_hrefs(frame))
    frame["rank_ok"] = (frame["status"] == Status.OK.value) & (frame["verdict"] == "valid")
    frame["label"] = _plain(_labels(frame))
    return frame


def _plain(texts: Sequence[object] | npt.NDArray[np.object_]) -> pd.Series:
    """As Python's own texts, also where pandas has a kind of its own: those are slow one by one."""
    return pd.Series(texts, dtype=object)


def machine_page(machine: str, part: int = 0) -> str:
    """The page of a machine, from the site's root; further parts of its tests have pages of their own.

    A machine's name has no dot, so that no part is taken for another machine.
    """
    return f"machines/{file_name(machine)}{f'.{part + 1}' if part else ''}.html"


def _numbers(values: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_] | None]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    missing = np.isnan(numbers)
    if pd.api.types.is_numeric_dtype(values) or not missing.any():  # a column of sentences is one of str
        return numbers, None
    notes = np.full(len(values), "", dtype=object)
    notes[missing] = _texts(values[missing])
    return numbers, notes if notes.any() else None


def _texts(values: pd.Series) -> npt.NDArray[np.object_]:
    """Each different value is made clean once."""
    try:
        codes, different = pd.factorize(values)
    except TypeError:  # a list, which cannot be looked up
        return np.array([*map(to_text, values), None], dtype=object)[:-1]
    words = np.array([*map(to_text, different), ""], dtype=object)
    found: npt.NDArray[np.object_] = words[codes]  # what is missing has the code -1: the last word
    return found


def _unique(ids: Sequence[str]) -> list[str]:
    """A table that names a test twice still has a link to each of its rows."""
    if len(set(ids)) == len(ids):
        return list(ids)
    seen: dict[str, int] = {}
    found = []
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found


def _hrefs(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    by_machine = frame.groupby("machine", sort=False)
    parts = by_machine.cumcount().to_numpy() // ROWS_PER_PAGE
    hrefs = np.empty(len(frame), dtype=object)
    for machine, places in by_machine.indices.items():
        for part in np.unique(parts[places]).tolist():
            here = places[parts[places] == part]
            hrefs[here] = f"{machine_page(str(machine), part)}#" + frame["row"].to_numpy(dtype=object)[here]
    return hrefs


def _labels(frame: pd.DataFrame) -> npt.NDArray[np.object_]:
    if frame.empty:
        return np.empty(0, dtype=object)
    groups = frame.groupby(list(_LABEL), sort=False, dropna=False).ngroup().to_numpy()
    _, first = np.unique(groups, return_index=True)
    words = np.array(
        [_label(dict(zip(_LABEL, values, strict=True))) for values in frame[list(_LABEL)].iloc[first].values],
        dtype=object,
    )
    labels: npt.NDArray[np.object_] = words[groups]
    return labels


def _label(setting: dict[str, object]) -> str:
    parts = [str(setting[key]) for key in ("precision", "device", "scenario")]
    if (hint := setting["hint"]) and hint != "none":
        parts.append(f"{hint} hint")
    parts += [
        f"{key} {number:g}" if key == "batch" else f"{number:g} {key[:-1] if number == 1 else key}"
        for key in ("batch", "streams", "threads", "requests")
        if (number := setting[key]) == number and isinstance(number, float)  # not NaN
    ]
    if (region := str(setting["timed_region"])) not in {"", "inference"}:
        parts.append(region.replace("_", " "))
    if (release := setting["openvino"]) not in {"", "auto"}:
        parts.append(f"OpenVINO {release}")
    parts.append(str(setting["settings"]))
    return " · ".join(part for part in parts if part)
