"""What the site is built from: the campaigns, the newest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from pandas import DataFrame

from integrator.rejected import NOTHING_REJECTED, RejectedFiles
from protocol.machine import MachineDescription

__all__ = ["RUN_COLUMNS", "CampaignFacts", "CampaignResults", "Offer", "TestDetail", "no_runs"]

RUN_COLUMNS = ("machine", "test_id", "run", "status", "latency_ms", "throughput_fps")
"""Of `CampaignResults.runs`: a row for each result that came back; the numbers are NaN where it is not ok."""

TestDetail = Mapping[str, object]
"""What `explain` shows of one test beyond its row, ready for JSON: `integrator.site.explain.detail`."""


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """What is said of the campaign itself; every count is taken from the table."""

    id: str
    title: str
    created_at: datetime
    complete: bool
    runs: tuple[int, int] | None = None
    """How many runs have a result, and how many were planned; None: nobody counted."""
    lab: str = ""
    """The lab's name."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a machine costs and draws, as the lab says; None: it does not."""

    price: float | None = None
    currency: str = ""
    """As the lab writes it, such as EUR; empty without a price."""
    priced_on: date | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class CampaignResults:
    """One campaign: the merged table, and what stands behind it."""

    facts: CampaignFacts
    table: DataFrame
    """A row for each planned test, with the columns of `integrator.columns.COLUMNS`."""
    runs: DataFrame
    """With the columns `RUN_COLUMNS`."""
    machines: Mapping[str, MachineDescription] = field(default_factory=dict)
    """The machines' own descriptions; any may be missing."""
    tasks: Mapping[str, str] = field(default_factory=dict)
    """By model: what it does, such as "object detection"; one that is missing has no task of its own."""
    offers: Mapping[str, Offer] = field(default_factory=dict)
    """By machine."""
    details: Mapping[tuple[str, str], TestDetail] = field(default_factory=dict)
    """By machine and test id."""
    raw: Path | None = None
    """A folder of raw results, `<machine>/<test_id>.<run>.json.gz`."""
    raw_names: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By machine, those of them that the table is made of; the site carries these."""
    csv: bytes | Path = b""
    """The table as a CSV file."""
    rejected: RejectedFiles = NOTHING_REJECTED
    """What machines sent and was not taken."""


def no_runs() -> DataFrame:
    """No run at all."""
    return DataFrame({name: [] for name in RUN_COLUMNS})
