"""What is kept of a campaign under way, in the folder .work of its own folder.

.work/conductor.lock      held by the program that conducts the campaign; its process id
.work/undertaking.json    what is needed to go on with it
.work/standing.json       where each machine stands, for `fleetmark status`
.work/server/             the server inside the integrator: files, authority, passwords
.work/agents/<machine>/   work folders and logs of local agents
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import AwareDatetime, Field

from integrator.conduct.standing import MachineState, Standing
from protocol.atomic import write_atomically
from protocol.documents import Document, Record
from protocol.errors import DocumentError, UserError
from protocol.layout import CampaignId, MachineName, Sha256

__all__ = ["CampaignState", "MachineStanding", "StandingDocument", "Undertaking", "WorkFolder"]

_OWNER_ONLY = 0o700


class CampaignState(StrEnum):
    """Where a campaign is."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """By the operator; or by a program that was killed, where nobody holds the lock."""
    ENDED = "ended"


class Undertaking(Document):
    """What is needed to go on with a campaign, beside its jobs."""

    kind: ClassVar[str] = "undertaking"

    campaign: CampaignId
    lab_file: str | None = None
    """None: all machines are local, and the server is inside the integrator."""
    models: dict[Sha256, str] = Field(default_factory=dict)
    """Where the files of each model lie on this computer."""
    machine_deadline_s: float | None = Field(default=None, gt=0)
    campaign_deadline_s: float | None = Field(default=None, gt=0)
    restarts: int = Field(default=3, ge=0)


class MachineStanding(Record):
    """Where a machine stood when its state changed last."""

    state: MachineState
    done: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    heard_at: AwareDatetime | None = None
    detail: str = ""
    over: bool = False
    """Nothing more is tried with this machine."""

    @classmethod
    def of(cls, standing: Standing, *, over: bool) -> MachineStanding:
        """The record of a standing."""
        return cls(
            state=standing.state,
            done=standing.done,
            total=standing.total,
            failed=standing.failed,
            heard_at=standing.since,
            detail=standing.detail,
            over=over,
        )

    def standing(self) -> Standing:
        """As it was."""
        return Standing(self.state, self.done, self.total, self.heard_at, self.detail, self.failed)


class StandingDocument(Document):
    """standing.json."""

    kind: ClassVar[str] = "standing"

    campaign: CampaignId
    state: CampaignState
    machines: dict[MachineName, MachineStanding]


class WorkFolder:
    """The folder .work of a campaign."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = path / "server"
        self.agents = path / "agents"
        self._lock = path / "conductor.lock"
        self._undertaking = path / "undertaking.json"
        self._standing = path / "standing.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other conductors off this campaign; one that was killed does not.

        Raises:
            UserError: somebody conducts it.
        """
        self.path.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                process = _process_in(descriptor)
                raise UserError(
                    f"{self.path.parent}: this campaign is under way (process {process})",
                    advice="fleetmark status shows how it goes. One program at a time conducts a campaign.",
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            yield
        finally:
            os.close(descriptor)

    def conductor(self) -> int | None:
        """The process that conducts the campaign now; None: nobody does."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(_process_in(descriptor) or 0)
        finally:
            os.close(descriptor)
        return None

    def clear(self) -> None:
        """Remove everything but the lock."""
        if not self.path.is_dir():
            return
        for entry in self.path.iterdir():
            if entry == self._lock:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def write_undertaking(self, undertaking: Undertaking) -> None:
        """Keep what is needed to go on."""
        write_atomically(self._undertaking, undertaking.to_bytes())

    def read_undertaking(self) -> Undertaking | None:
        """What was kept; None where there is nothing.

        Raises:
            DocumentError: the file is not what its name says.
        """
        data = _content(self._undertaking)
        return Undertaking.from_bytes(data, source=str(self._undertaking)) if data is not None else None

    def write_standing(self, document: StandingDocument) -> None:
        """Tell whoever asks later, or from another terminal."""
        write_atomically(self._standing, document.to_bytes(), durable=False)

    def read_standing(self) -> StandingDocument | None:
        """What was told last; None where there is nothing that can be read."""
        data = _content(self._standing)
        try:
            return StandingDocument.from_bytes(data, source=str(self._standing)) if data is not None else None
        except DocumentError:
            return None  # of a program that was killed: the server's heartbeats say the rest


def _process_in(descriptor: int) -> str:
    text = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    return text if text.isdigit() else ""


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
