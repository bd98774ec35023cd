"""One test, as a row of the site's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrator.site.cells import MISSING, Cell
from integrator.statistics.verdict import REASONS, Reason
from protocol.result import Status

__all__ = ["RawFile", "Row"]


@dataclass(frozen=True, slots=True)
class RawFile:
    """The raw result of one run, and where the site keeps it."""

    run: int
    href: str


@dataclass(frozen=True, slots=True)
class Row:
    """One test: how it ended, and a cell for each column that is shown."""

    anchor: str
    machine: str
    model: str
    status: str
    reason: str
    verdict: str
    verdict_reasons: str
    cells: Mapping[str, Cell]
    values: Mapping[str, float | str | None]
    """Every column of the table, in full."""
    raw: tuple[RawFile, ...]

    @property
    def ok(self) -> bool:
        """Whether the test ended well."""
        return self.status == Status.OK

    @property
    def status_words(self) -> str:
        """The status as it is read: `out of memory`."""
        return self.status.replace("_", " ")

    @property
    def doubts(self) -> tuple[tuple[str, Reason], ...]:
        """Each reason of the verdict in words, and what it means; none where one of them is unknown here."""
        names = self.verdict_reasons.split()
        if not all(name in REASONS for name in names):
            return ()
        return tuple((name.replace("_", " "), REASONS[name]) for name in names)

    @property
    def settings(self) -> str:
        """What was set, on one line."""
        parts = [self._text(key) for key in ("precision", "device", "scenario")]
        if (hint := self._text("hint")) and hint != "none":
            parts.append(f"{hint} hint")
        if batch := self._text("batch"):
            parts.append(f"batch {batch}")
        counts = {key: self._text(key) for key in ("streams", "threads", "requests")}
        parts += [
            f"{count} {key.removesuffix('s') if count == '1' else key}"
            for key, count in counts.items()
            if count
        ]
        if (region := self._text("timed_region")) != "inference":
            parts.append(region.replace("_", " "))
        if (release := self._text("openvino")) not in {"", "auto"}:
            parts.append(f"OpenVINO {release}")
        parts.append(self._text("settings"))
        return " · ".join(part for part in parts if part)

    def _text(self, key: str) -> str:
        return self.cells.get(key, MISSING).text
