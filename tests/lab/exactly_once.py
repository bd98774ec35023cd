"""What every campaign has to end with, whatever befell it; computed anew from its folder."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from protocol.job import Job
from protocol.layout import result_name
from protocol.result import Result, Status

__all__ = ["Row", "complete", "exactly_once"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of results.csv."""

    machine: str
    test: str
    status: str
    reason: str
    doubts: str
    """Why its numbers are not to be trusted without looking: fewer runs than were planned, for one."""


def exactly_once(folder: Path) -> list[Row]:
    """See that every planned test is one row, which has all its runs or says why not; the rows.

    Every result that came is the result of a planned run, and is where a result of that run belongs; none
    was refused as another one's double. The page is there.
    """
    jobs = [Job.from_bytes(file.read_bytes(), source=str(file)) for file in (folder / "jobs").iterdir()]
    rows = _rows(folder / "results.csv")
    planned = Counter((job.machine, test.id) for job in jobs for test in job.tests)
    assert Counter((row.machine, row.test) for row in rows) == planned
    assert set(planned.values()) == {1}
    assert not (folder / "rejected.json").exists(), (folder / "rejected.json").read_text()
    assert (folder / "site" / "index.html").is_file()
    for job in jobs:
        ended = _results(folder / "raw" / job.machine, job)
        for row in (row for row in rows if row.machine == job.machine):
            wanted = sum(entry.test == row.test for entry in job.schedule)
            statuses = Counter(status for test, status in ended if test == row.test)
            if row.status == Status.OK:
                assert set(statuses) == {Status.OK}, row
                assert statuses[Status.OK] == wanted or "runs_missing" in row.doubts, row
            else:
                assert row.reason, row
                assert statuses[Status.OK] < wanted, row
    return rows


def _rows(file: Path) -> list[Row]:
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            Row(row["machine"], row["test_id"], row["status"], row["reason"], row["verdict_reasons"])
            for row in csv.DictReader(lines)
        ]


def _results(folder: Path, job: Job) -> list[tuple[str, Status]]:
    planned = {result_name(entry.test, entry.run) for entry in job.schedule}
    ended = []
    for file in sorted(folder.glob("*.json.gz")):
        assert file.name in planned
        result = Result.from_gzip(file.read_bytes(), source=file.name)
        assert (result.machine, result.campaign) == (job.machine, job.campaign)
        assert result_name(result.test, result.run) == file.name
        ended.append((result.test, result.status))
    return ended


def complete(rows: list[Row]) -> bool:
    """Whether every row has all its runs, and all of them went well."""
    return all(row.status == Status.OK and "runs_missing" not in row.doubts for row in rows)
