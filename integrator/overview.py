"""Where a campaign stands, told from its folder: by whoever asks, while it is under way or later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from integrator.conduct.news import News, Stored
from integrator.conduct.polling import age
from integrator.conduct.standing import MachineState, Standing
from integrator.conduct.state import CampaignState, StandingDocument, WorkFolder
from integrator.conduct.watch import Watch
from integrator.gather import embedded_files, lab_of
from integrator.plan import estimate_s
from integrator.store import CampaignRecord, CampaignStore
from protocol.account import Account
from protocol.errors import DocumentError, RefusedTransferError, TransferError
from protocol.job import Job
from protocol.layout import CampaignFolder
from protocol.status import Heartbeat
from protocol.transfer import Deadline, TransferClient

__all__ = ["Lookout", "MachineOverview", "Overview"]

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class MachineOverview:
    """One machine."""

    machine: str
    standing: Standing
    heartbeat: Heartbeat | None
    """Its last; None: there was none, or it cannot be had any more."""
    left_s: float | None
    """Seconds that the rest takes at most, about; None: nothing is left, or nothing goes on."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A campaign at one moment."""

    record: CampaignRecord
    state: CampaignState
    conductor: int | None
    """The process that conducts it on this computer."""
    machines: tuple[MachineOverview, ...]
    note: str = ""
    """Why not all could be asked."""


class Lookout:
    """Looks at a campaign, again and again.

    Raises:
        UserError: no campaign lies here, or its lab.yaml is gone.
    """

    def __init__(self, store: CampaignStore, lab_file: Path | None = None) -> None:
        self._work = WorkFolder(store.work)
        self._record = store.read_record()
        self._jobs = {job.machine: job for job in store.read_jobs(self._record)}
        self._files = embedded_files(store)
        lab = lab_of(store, lab_file)
        self._account = Account.read(lab.server.account) if lab and lab.server.account else None

    def look(self) -> Overview:
        """How it stands now."""
        conductor = self._work.conductor()
        known = self._work.read_standing()
        state = known.state if known else CampaignState.INTERRUPTED
        if conductor is None and state is CampaignState.RUNNING:
            state = CampaignState.INTERRUPTED  # whoever conducted it was killed
        heard: dict[str, Stored] = {}
        note = ""
        try:
            heard = dict(self._heartbeats(known))
        except TransferError as error:
            note = str(error)
        machines = tuple(self._machine(name, known, heard.get(name)) for name in self._record.machines)
        return Overview(self._record, state, conductor, machines, note)

    def _machine(self, name: str, known: StandingDocument | None, stored: Stored | None) -> MachineOverview:
        job = self._jobs[name]
        watch = Watch(job)
        with contextlib.suppress(DocumentError):
            if stored is not None:
                watch.hear(stored)
        entry = known.machines.get(name) if known else None
        heard = watch.standing()
        if entry is None:
            standing = heard
        elif entry.over or watch.heartbeat is None:
            standing = entry.standing()
        elif entry.state is MachineState.TROUBLE and (heard.since or _NEVER) <= (entry.heard_at or _NEVER):
            standing = replace(heard, state=entry.state, detail=entry.detail)
        else:
            standing = heard
        standing = replace(standing, total=standing.total or len(job.schedule))
        left = standing.total - standing.done
        going_on = left > 0 and not (entry and entry.over)
        left_s = left * estimate_s(job) / len(job.schedule) if going_on else None
        return MachineOverview(name, standing, watch.heartbeat, left_s)

    def _heartbeats(self, known: StandingDocument | None) -> Iterator[tuple[str, Stored]]:
        """Of those machines whose part is not over, from the server's folder or from the lab's server."""
        over = {name for name, entry in known.machines.items() if entry.over} if known else set()
        jobs = [job for name, job in self._jobs.items() if name not in over]
        if self._account is not None:
            yield from self._asked(jobs, self._account)
        elif self._files is not None:
            news = News(self._files)
            for job in jobs:
                news.stored(CampaignFolder(job.machine, job.campaign).status)
            yield from ((stored.path.parts[2], stored) for stored in news.rest())

    @staticmethod
    def _asked(jobs: list[Job], account: Account) -> Iterator[tuple[str, Stored]]:
        with TransferClient(account) as client:
            for job in jobs:
                path = CampaignFolder(job.machine, job.campaign).status
                if client.digest(path, deadline=Deadline(_ANSWER_S)) is None:
                    continue
                content: bytes | DocumentError
                try:
                    content = client.read(path, max_bytes=Heartbeat.max_bytes, deadline=Deadline(_ANSWER_S))
                except DocumentError as error:
                    content = error
                except RefusedTransferError as error:
                    content = DocumentError(str(error))
                yield job.machine, Stored(path, datetime.now(UTC) - age(client, path), content)


_NEVER = datetime.fromtimestamp(0, UTC)
