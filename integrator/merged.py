"""What a merge makes of each test, and of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from integrator.site.source import RUN_COLUMNS, TestDetail
from integrator.statistics.summary import RunSummary
from protocol.job import Job, PlannedTest
from protocol.result import Result

__all__ = ["Explain", "Merged", "MergedTest", "RunValues", "run_table"]

RunValues = tuple[str, str, int, str, float, float]
"""One row of the run table: the values of `RUN_COLUMNS`."""


@dataclass(frozen=True, slots=True)
class MergedTest:
    """One test with all that came back of it. It holds every latency: for as long as one looks at it."""

    job: Job
    test: PlannedTest
    planned: int
    """How many runs were planned."""
    results: tuple[Result, ...]
    """In the order of their runs."""
    summaries: Mapping[int, RunSummary]
    """By run; of those that ended well and whose latencies can be."""
    row: dict[str, Any]
    """By the columns of the table."""

    def throughput_fps(self, run: int) -> float:
        """Frames completed ÷ wall-clock time of a run that has a summary."""
        summary = self.summaries[run]
        return self.test.batch * summary.iterations / summary.wall_s

    def run_values(self) -> list[RunValues]:
        """A row of the run table for each result."""
        return [self._values(result) for result in self.results]

    def _values(self, result: Result) -> RunValues:
        summary = self.summaries.get(result.run)
        return (
            self.job.machine,
            self.test.id,
            result.run,
            result.status.value,
            summary.median_ms if summary else math.nan,
            self.throughput_fps(result.run) if summary else math.nan,
        )


Explain = Callable[[MergedTest], TestDetail]


@dataclass(frozen=True, slots=True)
class Merged:
    """A campaign as tables."""

    table: pd.DataFrame
    """A row for each planned test, with the columns `COLUMNS`."""
    runs: pd.DataFrame
    """A row for each result, with the columns `RUN_COLUMNS`."""
    details: Mapping[tuple[str, str], TestDetail]
    """By machine and test id."""


def run_table(rows: Iterable[RunValues]) -> pd.DataFrame:
    """Rows as a table whose numbers are numbers, also where there is no row."""
    types = dict(zip(RUN_COLUMNS, ("object", "object", "int64", "object", "float64", "float64"), strict=True))
    return pd.DataFrame(list(rows), columns=list(RUN_COLUMNS)).astype(types)
