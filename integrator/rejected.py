"""What came from machines and was not taken: kept with its reason in the campaign's folder."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from integrator.words import counted
from protocol.atomic import write_atomically
from protocol.documents import Document, Record
from protocol.errors import DocumentError, FleetmarkError, NewerDocumentError
from protocol.layout import MachineName

__all__ = [
    "NOTHING_REJECTED",
    "Found",
    "RejectedFiles",
    "Rejection",
    "Rejections",
    "keep_rejections",
    "read_rejections",
    "summary",
]

_log = logging.getLogger("fleetmark.store")

_MOST = 500
_MOST_OF_A_MACHINE = 100
_MOST_LINES = 10
_MOST_CHARS = 500

Found = Literal["server", "folder"]
"""Where a file was when it was rejected: on the FTP server, and not fetched; in the campaign's folder."""


class Rejection(Record):
    """One file."""

    machine: MachineName
    name: str = Field(max_length=_MOST_CHARS)
    """Of the file; characters that are not printable ASCII are escaped."""
    reason: str = Field(max_length=_MOST_CHARS)
    found: Found


class RejectedFiles(Document):
    """All of a campaign, at most 500 of each kind."""

    kind: ClassVar[str] = "list of rejected files"

    files: tuple[Rejection, ...] = ()
    more: dict[Found, int] = Field(default_factory=dict)
    """How many beyond those."""


NOTHING_REJECTED = RejectedFiles()


class Rejections:
    """What one look at one place rejects.

    A machine can leave any number of files behind: of each machine a hundred are kept and the first few get a
    line to the operator, so that none hides what another one sent.
    """

    def __init__(self, found: Found) -> None:
        self.found: Found = found
        self.files: list[Rejection] = []
        self.counts: Counter[str] = Counter()

    def add(self, machine: str, name: str, reason: str | FleetmarkError) -> None:
        """Note a file, with a line to the operator."""
        if isinstance(reason, NewerDocumentError):
            reason = f"{reason}. Update fleetmark on the integrator: the agent of {machine} is newer."
        elif isinstance(reason, FleetmarkError):
            reason = f"{reason}. {reason.advice}" if reason.advice else str(reason)
        self.counts[machine] += 1
        if self.counts[machine] > _MOST_OF_A_MACHINE:
            return
        rejection = Rejection(
            machine=machine,
            name=_printable(name),
            reason=_printable(" ".join(reason.removeprefix(f"{name}: ").split())),
            found=self.found,
        )
        self.files.append(rejection)
        if self.counts[machine] <= _MOST_LINES:
            _log.warning("rejected: %s: %s: %s", machine, rejection.name, rejection.reason)
        elif self.counts[machine] == _MOST_LINES + 1:
            _log.warning("rejected: %s: more than %d files", machine, _MOST_LINES)


def read_rejections(file: Path) -> RejectedFiles:
    """What is kept; nothing where it cannot be read, because it is written anew by every look."""
    try:
        return RejectedFiles.from_bytes(file.read_bytes(), source=str(file))
    except (OSError, DocumentError):
        return NOTHING_REJECTED


def keep_rejections(file: Path, rejections: Rejections) -> None:
    """Replace what was kept of one place; without anything to keep there is no file."""
    before = read_rejections(file)
    others = tuple(rejection for rejection in before.files if rejection.found != rejections.found)
    more = {place: count for place, count in before.more.items() if place != rejections.found}
    kept = rejections.files[:_MOST]
    if left_out := rejections.counts.total() - len(kept):
        more[rejections.found] = left_out
    if others or kept:
        write_atomically(file, RejectedFiles(files=(*others, *kept), more=more).to_bytes())
    else:
        file.unlink(missing_ok=True)


def summary(file: Path) -> str:
    """A sentence for the end of a command; empty where nothing was rejected."""
    rejected = read_rejections(file)
    if not rejected.files:
        return ""
    machines = Counter(rejection.machine for rejection in rejected.files)
    more = f", and {sum(rejected.more.values()):,} more" if rejected.more else ""
    of_each = ", ".join(f"{machine} {count}" for machine, count in sorted(machines.items()))
    files = counted(len(rejected.files), "file")
    were = "was" if len(rejected.files) == 1 else "were"
    return f"{files} that machines sent {were} rejected ({of_each}{more}); the rest was merged. Why: {file}"


def _printable(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")[:_MOST_CHARS]
