"""A campaign's rows as scripts for the browser: an index, and the bytes of the columns. Pure.

Whoever reads gets the rows in the table's order. In the files they may lie in another, which compresses
better; large campaigns are cut into shards, each of whole models, so that a page may load what it shows.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.site.ids import file_name
from integrator.site.store.encode import (
    Column,
    encode_ids,
    encode_notes,
    encode_numbers,
    encode_places,
    encode_texts,
)

__all__ = ["EXACT_ROWS", "MOST_BYTES", "MOST_ROWS", "RARE", "pack", "script_name"]

EXACT_ROWS = 20_000
"""Larger campaigns carry their numbers with six digits, and cut long texts."""
MOST_ROWS = 250_000
"""Of a script; more are cut into shards."""
MOST_BYTES = 4_000_000
"""Of a script's compressed columns; more are cut into shards."""
RARE = (
    "latency_p95_ms",
    "latency_p95_high_ms",
    "latency_p99_high_ms",
    "latency_min_ms",
    "latency_max_ms",
    "single_pass_ms",
    "compile_ms",
    "first_inference_ms",
    "energy_mj_per_inference",
    "harness_percent",
    "started_at",
)
"""Columns that a large campaign keeps in scripts of their own, which are loaded when they are asked for."""

_NOTE = "__note"
_SHARD_ROWS = 100_000
_MOST_CHARS = 300
_LEVEL = 6
_ORDER = ("machine", "model", "device", "precision", "scenario", "hint", "batch", "streams", "label")

_Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Part:
    """The bytes of some columns of some rows."""

    rows: int
    group: str
    shard: int
    models: Sequence[str]
    packed: bytes


def script_name(campaign: str) -> str:
    """The script that a page loads to read a campaign's rows, from the site's root."""
    return f"assets/rows/{file_name(campaign)}.js"


def pack(
    frame: pd.DataFrame, campaign: str, *, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES
) -> Iterator[tuple[str, bytes]]:
    """The scripts of a campaign, each with its path from the site's root; `script_name`'s comes first.

    Args:
        frame: As `integrator.site.frame.tidy` makes it: numbers, booleans and texts, and columns
            `<key>__note` beside the numbers `<key>`.
        campaign: Its id.
        most_rows: Of a script.
        most_bytes: Of a script's compressed columns.
    """
    frame = frame.reset_index(drop=True)
    exact = len(frame) <= EXACT_ROWS
    columns = [_encode(frame, str(key), exact=exact) for key in frame.columns]
    order = _order(frame)
    shards = [order] if len(frame) <= most_rows else _by_model(frame, order, min(_SHARD_ROWS, most_rows))
    parts = _parts(frame, columns, shards, exact=exact)
    largest = max(len(part.packed) for part in parts)
    if largest > most_bytes:
        rows = max(1, int(0.8 * most_bytes / largest * max(part.rows for part in parts)))
        shards = _by_model(frame, order, rows)
        parts = _parts(frame, columns, shards, exact=exact)
    names = [_script(campaign, part, number) for number, part in enumerate(parts)]
    index = {
        "version": 1,
        "rows": len(frame),
        "exact": exact,
        "moved": _moved(frame, shards),
        "columns": [_described(column, _group(column.key, exact=exact)) for column in columns],
        "parts": [
            {
                "rows": part.rows,
                "group": part.group,
                "shard": part.shard,
                "models": part.models,
                "script": name,
            }
            for part, name in zip(parts, names, strict=True)
        ],
    }
    packed: dict[str, dict[str, bytes]] = {script_name(campaign): {"index": _compress(_json(index))}}
    facts = {column.key: column.facts for column in columns if _group(column.key, exact=exact) == "more"}
    for number, (part, name) in enumerate(zip(parts, names, strict=True)):
        if part.group == "more" and part.shard == 0:
            packed[name] = {"more": _compress(_json(facts))}
        packed.setdefault(name, {})[str(number)] = part.packed
    for name, content in packed.items():
        yield name, _as_script(campaign, content)


def _described(column: Column, group: str) -> dict[str, object]:
    """A column of the index; what is read late keeps its dictionary to itself."""
    facts = column.facts if group == "core" else {}
    return {"key": column.key, "kind": column.kind, "width": len(column.planes), "group": group, **facts}


def _encode(frame: pd.DataFrame, key: str, *, exact: bool) -> Column:
    values = frame[key]
    if key.endswith(_NOTE):
        return encode_notes(key, values)
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return encode_numbers(key, values, exact=exact)
    if key == "row":
        return encode_ids(key, values)
    if key == "href" and "row" in frame:
        ends = [f"#{row}" for row in frame["row"]]
        if all(map(str.endswith, values, ends)):
            pages = [href[: -len(end)] for href, end in zip(values, ends, strict=True)]
            column = encode_texts(key, pd.Series(pages, index=values.index, dtype=object))
            return Column(key, "link", column.planes, column.facts)
    return encode_texts(key, values, most_chars=None if exact else _MOST_CHARS)


def _group(key: str, *, exact: bool) -> str:
    return "more" if not exact and key.removesuffix(_NOTE) in RARE else "core"


def _order(frame: pd.DataFrame) -> _Rows:
    """The table's own order, or a sorted one where much less changes from a row to the next."""
    own = np.arange(len(frame))
    codes = [pd.factorize(frame[key], use_na_sentinel=False)[0] for key in _ORDER if key in frame]
    if not codes or len(frame) == 0:
        return own
    sorted_rows = np.lexsort(codes[::-1])
    changes = sum(np.count_nonzero(np.diff(code)) for code in codes)
    fewer = sum(np.count_nonzero(np.diff(code[sorted_rows])) for code in codes)
    return sorted_rows if fewer < 0.7 * changes else own


def _by_model(frame: pd.DataFrame, order: _Rows, rows: int) -> list[_Rows]:
    """Shards of whole models, each of about so many rows; a model that has more fills several."""
    models = pd.factorize(frame["model"], use_na_sentinel=False)[0][order]
    shards: list[list[_Rows]] = [[]]
    taken = 0
    for model in range(models.max() + 1):
        own = order[models == model]
        for start in range(0, len(own), rows):
            piece = own[start : start + rows]
            if taken and taken + len(piece) > rows:
                shards.append([])
                taken = 0
            shards[-1].append(piece)
            taken += len(piece)
    return [np.concatenate(shard) for shard in shards]


def _moved(frame: pd.DataFrame, shards: Sequence[_Rows]) -> bool:
    """Whether rows lie elsewhere than in the table."""
    return len(shards) > 1 or bool((shards[0] != np.arange(len(frame))).any())


def _parts(
    frame: pd.DataFrame, columns: Sequence[Column], shards: Sequence[_Rows], *, exact: bool
) -> list[_Part]:
    moved = _moved(frame, shards)
    places = encode_places(np.arange(len(frame)))
    parts = []
    for group in ("core", "more"):
        members = [column for column in columns if _group(column.key, exact=exact) == group]
        if not members:
            continue
        for shard, rows in enumerate(shards):
            # Where the rows stand is told once, in the first group.
            written = [places, *members] if moved and group == "core" else members
            content = b"".join(column.bytes_of(rows) for column in written)
            models = list(dict.fromkeys(frame["model"].to_numpy()[rows])) if len(shards) > 1 else []
            parts.append(_Part(len(rows), group, shard, models, _compress(content)))
    return parts


def _script(campaign: str, part: _Part, number: int) -> str:
    """A campaign of one shard has its core in the script of the index."""
    name = script_name(campaign)
    if part.group == "core" and not part.models:
        return name
    return f"{name.removesuffix('.js')}.{number}.js"


def _json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=_LEVEL, mtime=0)


def _as_script(campaign: str, content: dict[str, bytes]) -> bytes:
    """A script that leaves texts of base64 for `store.js`, whichever of the two runs first."""
    texts = {name: base64.b64encode(packed).decode() for name, packed in content.items()}
    return (
        f"((f,c)=>{{const p=f.packed=f.packed||{{}};p[c]=Object.assign(p[c]||{{}},{json.dumps(texts)})}})"
        f"(window.fleetmark=window.fleetmark||{{}},{json.dumps(campaign)});\n"
    ).encode()
