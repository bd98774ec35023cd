"""A campaign in a few numbers, counted from its tidy table."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from integrator.site.cells import clean_text
from integrator.site.source import CampaignFacts, CampaignResults
from protocol.result import Status

__all__ = ["RejectedFile", "Summary", "rejected_of", "summary_of"]

_MOST_REJECTED = 100


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


def summary_of(frame: pd.DataFrame, facts: CampaignFacts, *, machines: int) -> Summary:
    """Counts of a table as `integrator.site.frame.tidy` makes it; `machines` may be more than it names."""
    statuses = frame["status"].value_counts()
    verdicts = frame["verdict"].value_counts()
    tests, ok = len(frame), int(statuses.get(Status.OK.value, 0))
    done = tests - int(statuses.get(Status.NOT_RUN.value, 0))
    known = [str(status) for status in Status]
    order = [*known, *sorted(set(map(str, statuses.index)) - set(known))]
    versions = dict.fromkeys(frame["openvino_version"])
    versions.pop("", None)
    runs = f", {facts.runs[0]:,} of {facts.runs[1]:,} runs" if facts.runs else ""
    return Summary(
        machines=machines,
        models=frame["model"].nunique(),
        tests=tests,
        ok=ok,
        not_ok=tuple(
            (status.replace("_", " "), int(statuses[status]))
            for status in order
            if status != Status.OK and status in statuses
        ),
        done=done,
        noisy=int(verdicts.get("noisy", 0)),
        invalid=int(verdicts.get("invalid", 0)),
        openvino_versions=tuple(versions),
        partial="" if facts.complete else f"partial: {done:,} of {tests:,} tests{runs}",
    )


def rejected_of(campaign: CampaignResults) -> tuple[tuple[RejectedFile, ...], int]:
    """What machines sent and is not in the table, and how many more there are than are listed."""
    rejected = campaign.rejected
    listed = tuple(
        RejectedFile(*map(clean_text, (file.machine, file.name, file.reason)))
        for file in rejected.files[:_MOST_REJECTED]
    )
    return listed, len(rejected.files) - len(listed) + sum(rejected.more.values())
