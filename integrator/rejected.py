"""What came from machines and was not taken: kept with its reason in the campaign's folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from protocol.atomic import write_atomically
from protocol.documents import Document, Record
from protocol.errors import DocumentError
from protocol.layout import MachineName

__all__ = ["Found", "RejectedFiles", "Rejection", "keep_rejections", "read_rejections", "reject"]

_log = logging.getLogger("fleetmark.store")

_MOST = 1000
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
    """All of a campaign, at most a thousand of each kind."""

    kind: ClassVar[str] = "list of rejected files"

    files: tuple[Rejection, ...] = ()
    more: dict[Found, int] = Field(default_factory=dict)
    """How many beyond those."""


def reject(machine: str, name: str, reason: str, found: Found) -> Rejection:
    """A rejection, with a line to the operator."""
    printable = name.encode("unicode_escape").decode("ascii")[:_MOST_CHARS]
    reason = " ".join(reason.split())[:_MOST_CHARS]
    _log.warning("rejected: %s: %s: %s", machine, printable, reason)
    return Rejection(machine=machine, name=printable, reason=reason, found=found)


def read_rejections(file: Path) -> RejectedFiles:
    """What is kept; nothing where it cannot be read, because it is written anew by every look."""
    try:
        return RejectedFiles.from_bytes(file.read_bytes(), source=str(file))
    except (OSError, DocumentError):
        return RejectedFiles()


def keep_rejections(file: Path, found: Found, rejections: Sequence[Rejection]) -> None:
    """Replace what was kept of one place; without anything to keep there is no file."""
    before = read_rejections(file)
    others = tuple(rejection for rejection in before.files if rejection.found != found)
    more = {place: count for place, count in before.more.items() if place != found}
    if len(rejections) > _MOST:
        more[found] = len(rejections) - _MOST
    files = (*others, *rejections[:_MOST])
    if files:
        write_atomically(file, RejectedFiles(files=files, more=more).to_bytes())
    else:
        file.unlink(missing_ok=True)
