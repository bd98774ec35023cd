"""The files under data/ that hold tables and schemas."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from integrator.merge import harmless
from integrator.site.downloads.results_json import results_json, results_schema
from integrator.site.page import Asset, Site
from integrator.site.source import RUN_COLUMNS
from integrator.store import CampaignRecord
from protocol.documents import Document
from protocol.job import Job
from protocol.machine import MachineDescription
from protocol.result import Result
from protocol.status import Heartbeat

__all__ = ["files", "runs_csv"]

_DOCUMENTS: tuple[type[Document], ...] = (CampaignRecord, Job, Heartbeat, MachineDescription, Result)
_ROWS_AT_ONCE = 20_000
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def files(site: Site) -> Iterator[Asset]:
    """Tables of every campaign in a folder of its own, those of the newest also by themselves; schemas."""
    for campaign in site.campaigns:
        identity = campaign.facts.id
        newest = campaign is site.newest
        csv = campaign.csv if isinstance(campaign.csv, bytes) else campaign.csv.read_bytes()
        yield from _twice("results.csv", csv, identity, newest)
        yield from _twice("results.json", results_json(campaign, site.frames[identity]), identity, newest)
        yield f"data/{identity}/runs.csv", runs_csv(campaign.runs)
    for document in _DOCUMENTS:
        yield _schema(document.kind, {"$schema": _DIALECT, **document.model_json_schema()})
    yield _schema("results", results_schema())


def _twice(name: str, content: bytes, campaign: str, newest: bool) -> Iterator[Asset]:
    yield f"data/{campaign}/{name}", content
    if newest:
        yield f"data/{name}", content


def runs_csv(runs: pd.DataFrame) -> bytes:
    """The run table as a CSV file: a row for each result, empty numbers where it is not ok."""
    written = io.BytesIO()
    written.write(",".join(RUN_COLUMNS).encode() + b"\n")
    for start in range(0, len(runs), _ROWS_AT_ONCE):
        part = runs.iloc[start : start + _ROWS_AT_ONCE]
        texts = [_texts(part[name]) for name in ("machine", "test_id")]
        numbers = [_numbers(part[name]) for name in ("latency_ms", "throughput_fps")]
        columns = [*texts, part["run"].tolist(), _texts(part["status"]), *numbers]
        lines = "".join(map("{},{},{},{},{},{}\n".format, *columns))
        written.write(lines.encode("utf-8", "replace"))
    return written.getvalue()


def _texts(values: pd.Series) -> list[str]:
    """Each different text is written once."""
    codes, different = pd.factorize(values)
    words = np.array([_quoted(str(harmless(text))) for text in different], dtype=object)
    written: list[str] = words[codes].tolist() if len(different) else []
    return written


def _quoted(text: str) -> str:
    if not any(sign in text for sign in '",\n'):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _numbers(values: pd.Series) -> list[str]:
    return ["" if text == "nan" else text for text in map(repr, values.to_numpy(dtype=np.float64).tolist())]


def _schema(kind: str, value: dict[str, Any]) -> Asset:
    return f"data/schemas/{kind}.schema.json", (json.dumps(value, indent=1) + "\n").encode()
