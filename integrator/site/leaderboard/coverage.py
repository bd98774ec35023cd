"""What was covered: models by machines, and what went wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from integrator.site.cells import first_words
from protocol.result import Status

__all__ = ["Coverage", "CoverageCell", "Trouble", "coverage"]

_OUTCOMES = ("ok", "noisy", "invalid", "failed", "not_run")
_RUN_OF = re.compile(r"^run \d+ of \d+: ")
_SHORT = 160
_MOST_TROUBLES = 12


@dataclass(frozen=True, slots=True)
class CoverageCell:
    """All tests of a model on a machine, by how they ended."""

    ok: int = 0
    """Ended ok, with a verdict of valid."""
    noisy: int = 0
    invalid: int = 0
    failed: int = 0
    """Failed, timed out, crashed, ran out of memory or are unsupported."""
    not_run: int = 0
    row: str = ""
    """The first test that is not ok and valid, or the first of all."""
    href: str = ""
    why: str = ""
    """The reason of that test, shortened."""

    @property
    def planned(self) -> int:
        """How many there are."""
        return self.ok + self.noisy + self.invalid + self.failed + self.not_run

    @property
    def words(self) -> str:
        """How they ended, and the reason of the first that is not as it should be."""
        names = ("ok", "noisy", "invalid", "failed", "not_run")
        counts = ", ".join(
            f"{count} {name.replace('_', ' ')}" for name in names if (count := getattr(self, name))
        )
        return f"{counts}: {self.why}" if self.why else counts

    @property
    def state(self) -> str:
        """The worst that happened; none where nothing was planned."""
        order = ("failed", "invalid", "noisy", "not_run", "ok")
        return next((name for name in order if getattr(self, name)), "none")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Tests that ended alike: one status, one reason."""

    status: str
    reason: str
    """Its first words."""
    tests: int
    machines: tuple[str, ...]
    models: tuple[str, ...]
    row: str
    """The first of them."""
    href: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The map, and what is behind its dark spots."""

    machines: tuple[str, ...]
    models: tuple[str, ...]
    cells: Mapping[tuple[str, str], CoverageCell]
    """By model and machine; a pair that is missing was not planned."""
    troubles: tuple[Trouble, ...]
    """Most tests first."""
    more_troubles: int
    """Kinds of trouble that are not listed."""

    def cell(self, model: str, machine: str) -> CoverageCell:
        """That of a pair."""
        return self.cells.get((model, machine), CoverageCell())


def coverage(frame: pd.DataFrame, machines: Sequence[str], models: Sequence[str]) -> Coverage:
    """Count what became of every planned test.

    Args:
        frame: as `integrator.site.frame.tidy` makes it.
        machines: all that are known, also without a test.
        models: likewise.
    """
    pair = ["model", "machine"]
    needed = [*pair, "status", "verdict", "verdict_reasons", "reason", "rank_ok", "row", "href"]
    frame = frame[needed]
    outcome = _outcomes(frame)
    counts = (
        frame[pair].assign(outcome=outcome).value_counts(sort=False).unstack(fill_value=0)
        if len(frame)
        else pd.DataFrame()
    )
    # A stable sort puts what is not in order before what is, and the table's order within.
    first = frame.assign(fine=outcome == 0).sort_values("fine", kind="stable").drop_duplicates(pair)
    reasons = dict(zip(first["reason"].unique(), map(_short, first["reason"].unique()), strict=True))
    where = {
        (model, machine): (row, href, reasons[reason] or doubts.replace(" ", ", ").replace("_", " "))
        for model, machine, row, href, reason, doubts in zip(
            *(first[key] for key in (*pair, "row", "href", "reason", "verdict_reasons")), strict=True
        )
    }
    columns = [counts[code].tolist() if code in counts else [0] * len(counts) for code in range(5)]
    cells = {
        key: CoverageCell(ok, noisy, invalid, failed, not_run, *where[key])
        for key, ok, noisy, invalid, failed, not_run in zip(counts.index.tolist(), *columns, strict=True)
    }
    return Coverage(tuple(machines), tuple(models), cells, *_troubles(frame))


def _outcomes(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """By row, the index in `_OUTCOMES`; a test that ended ok with no verdict that is known is doubted."""
    status, verdict = frame["status"].to_numpy(), frame["verdict"].to_numpy()
    ok = status == Status.OK.value
    choices = [frame["rank_ok"].to_numpy(dtype=bool), ok & (verdict == "invalid"), ok]
    return np.select([*choices, status == Status.NOT_RUN.value], [0, 2, 1, 4], default=3)


def _short(reason: str) -> str:
    return first_words(_RUN_OF.sub("", reason), _SHORT)


def _troubles(frame: pd.DataFrame) -> tuple[tuple[Trouble, ...], int]:
    """Those with most tests, and how many there are beside them."""
    bad = frame[frame["status"] != Status.OK.value]
    short = bad["reason"].map({reason: _short(reason) for reason in bad["reason"].unique()})
    group = bad.assign(short=short).groupby(["status", "short"], sort=False).ngroup().to_numpy()
    sizes = np.bincount(group)
    most = np.argsort(-sizes, kind="stable")[:_MOST_TROUBLES]
    return tuple(_trouble(bad[group == number], short) for number in most), sizes.size - most.size


def _trouble(tests: pd.DataFrame, short: pd.Series) -> Trouble:
    first = tests.iloc[0]
    return Trouble(
        first["status"].replace("_", " "),
        short[tests.index[0]] or "no reason was given",
        len(tests),
        tuple(dict.fromkeys(tests["machine"])),
        tuple(dict.fromkeys(tests["model"])),
        first["row"],
        first["href"],
    )
