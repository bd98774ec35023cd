"""A campaign's table as JSON: every number in full, null where there is none. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from integrator.columns import COLUMNS as TABLE
from integrator.site.cells import clean_text
from integrator.site.columns import COLUMNS
from integrator.site.frame import NUMBERS
from integrator.site.machines import machine_facts
from integrator.site.source import CampaignResults
from integrator.statistics.verdict import Verdict
from protocol.layout import split_result_name
from protocol.result import Status

__all__ = ["SCHEMA_VERSION", "results_json", "results_schema"]

SCHEMA_VERSION = 1
_MOST_REJECTED = 100
_ROWS_AT_ONCE = 5_000
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def results_json(campaign: CampaignResults, frame: pd.DataFrame) -> bytes:
    """The campaign, its machines, and a row for each test; `results_schema` describes it.

    The rows of 100,000 tests are written column by column: one after the other they would take four times
    as long.

    Args:
        campaign: The campaign.
        frame: Its table, as `integrator.site.frame.tidy` makes it.
    """
    facts = campaign.facts
    names = list(dict.fromkeys([*frame["machine"], *sorted(map(clean_text, campaign.machines))]))
    described = {clean_text(name): description for name, description in campaign.machines.items()}
    rejected = campaign.rejected
    head = {
        "schema_version": SCHEMA_VERSION,
        "campaign": {
            "id": clean_text(facts.id),
            "title": clean_text(facts.title),
            "created_at": facts.created_at.isoformat(),
            "complete": facts.complete,
        },
        "summary": {
            "machines": len(names),
            "models": int(frame["model"].nunique()),
            "tests": len(frame),
            "statuses": _counts(frame["status"]),
            "verdicts": _counts(frame["verdict"][frame["verdict"] != ""]),
        },
        "columns": [asdict(column) for column in COLUMNS],
        "machines": [asdict(machine_facts(name, described.get(name))) for name in names],
        "rejected": [
            {key: clean_text(getattr(file, key)) for key in ("machine", "name", "reason")}
            for file in rejected.files[:_MOST_REJECTED]
        ],
        "rejected_more": len(rejected.files[_MOST_REJECTED:]) + sum(rejected.more.values()),
    }
    raw = _raw_files(campaign)
    # In parts: the texts of all cells at once would take more memory than all else.
    written = io.BytesIO()
    written.write(json.dumps(head, allow_nan=False).removesuffix("}").encode())
    written.write(b', "rows": [\n')
    for start in range(0, len(frame), _ROWS_AT_ONCE):
        rows = _rows(frame.iloc[start : start + _ROWS_AT_ONCE], facts.id, raw)
        written.write(b",\n" * bool(start) + ",\n".join(rows).encode())
    written.write(b"\n]}\n")
    return written.getvalue()


def results_schema() -> dict[str, Any]:
    """The JSON Schema of it."""
    text: dict[str, Any] = {"type": "string"}
    count: dict[str, Any] = {"type": "integer", "minimum": 0}
    row: dict[str, Any] = {
        key: {"type": ["number", "string", "null"]} if key in NUMBERS else {"type": ["string", "null"]}
        for key in TABLE
    }
    row["status"] = {"enum": [status.value for status in Status]}
    row["verdict"] = {"enum": [*(verdict.value for verdict in Verdict), None]}
    for column in COLUMNS:
        row[column.key]["description"] = column.meaning + (f" [{column.unit}]" if column.unit else "")
    row["row"] = {**text, "description": "The id of the test on its machine, the same in every campaign."}
    row["raw"] = {
        "description": "The raw result of each run that is on the site, from the site's root.",
        "type": "array",
        "items": _object({"run": count, "href": text}),
    }
    return {
        "$schema": _DIALECT,
        "title": "fleetmark results",
        **_object(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "campaign": _object(
                    {"id": text, "title": text, "created_at": text, "complete": {"type": "boolean"}}
                ),
                "summary": _object(
                    {
                        **dict.fromkeys(("machines", "models", "tests"), count),
                        "statuses": {"type": "object", "additionalProperties": count},
                        "verdicts": {"type": "object", "additionalProperties": count},
                    }
                ),
                "columns": {"type": "array", "items": {"type": "object"}},
                "machines": {"type": "array", "items": {"type": "object"}},
                "rejected": {
                    "type": "array",
                    "items": _object(dict.fromkeys(("machine", "name", "reason"), text)),
                },
                "rejected_more": count,
                "rows": {
                    "description": "A number that is missing is null, or a sentence that says why.",
                    "type": "array",
                    "items": {**_object(row), "additionalProperties": True},
                },
            }
        ),
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts(sort=False).items()}


_RawFiles = Mapping[tuple[str, str], list[tuple[int, str]]]


def _raw_files(campaign: CampaignResults) -> _RawFiles:
    """By machine and test: the runs and names of the raw results that the site carries."""
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for machine, names in campaign.raw_names.items() if campaign.raw else ():
        for name in names:
            if split := split_result_name(name):
                found.setdefault((machine, split[0]), []).append((split[1], name))
    return found


def _rows(frame: pd.DataFrame, campaign: str, raw: _RawFiles) -> list[str]:
    columns = [*(_column(frame, key) for key in (*TABLE, "row")), _raw(frame, campaign, raw)]
    row = "{" + ",".join(f'"{key}":%s' for key in (*TABLE, "row", "raw")) + "}"
    return [row % values for values in zip(*columns, strict=True)]


def _column(frame: pd.DataFrame, key: str) -> list[str]:
    """Each value as JSON."""
    if key not in NUMBERS:
        return _texts(frame[key])
    values = frame[key].to_numpy(dtype=np.float64)
    missing = np.isnan(values)
    whole = bool((np.floor(values[~missing]) == values[~missing]).all())
    written = list(map(repr, np.where(missing, 0, values).astype(np.int64 if whole else float).tolist()))
    notes = _texts(frame[f"{key}__note"]) if f"{key}__note" in frame else ["null"] * len(written)
    for place in np.flatnonzero(missing).tolist():
        written[place] = notes[place]
    return written


def _texts(values: pd.Series) -> list[str]:
    """Each different text is written once."""
    codes, different = pd.factorize(values)
    words = np.array([json.dumps(text or None) for text in different], dtype=object)
    written: list[str] = words[codes].tolist() if len(different) else []
    return written


def _raw(frame: pd.DataFrame, campaign: str, raw: _RawFiles) -> list[str]:
    if not raw:
        return ["[]"] * len(frame)
    tests = zip(frame["machine"], frame["test_id"], strict=True)
    return [
        json.dumps(
            [
                {"run": run, "href": f"data/raw/{campaign}/{machine}/{name}"}
                for run, name in sorted(raw.get((machine, test), ()))
            ]
        )
        for machine, test in tests
    ]
