"""The files under data/ that hold tables and schemas."""

from __future__ import annotations

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
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def files(site: Site) -> Iterator[Asset]:
    """Tables of every campaign in a folder of its own, those of the newest also by themselves; schemas."""
    for number, campaign in enumerate(site.campaigns):
        identity = campaign.facts.id
        tables = {
            "results.csv": campaign.csv if isinstance(campaign.csv, bytes) else campaign.csv.read_bytes(),
            "results.json": results_json(campaign, site.frames[identity]),
            "runs.csv": runs_csv(campaign.runs),
        }
        for name, content in tables.items():
            yield f"data/{identity}/{name}", content
            if number == 0 and name.startswith("results."):
                yield f"data/{name}", content
    for document in _DOCUMENTS:
        yield _schema(document.kind, {"$schema": _DIALECT, **document.model_json_schema()})
    yield _schema("results", results_schema())


def runs_csv(runs: pd.DataFrame) -> bytes:
    """The run table as a CSV file: a row for each result, empty numbers where it is not ok."""
    texts = [_texts(runs[name]) for name in ("machine", "test_id")]
    numbers = [_numbers(runs[name]) for name in ("latency_ms", "throughput_fps")]
    columns = [*texts, runs["run"].tolist(), _texts(runs["status"]), *numbers]
    lines = [",".join(RUN_COLUMNS), *map("{},{},{},{},{},{}".format, *columns)]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


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
