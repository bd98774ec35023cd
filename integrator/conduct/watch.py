"""Watching one machine: what its agent last said, and whether it should have been heard."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

from integrator.conduct.news import Stored
from integrator.conduct.standing import MachineState, Standing, silent_from, standing
from protocol.errors import DocumentError
from protocol.job import Job
from protocol.layout import CampaignFolder
from protocol.status import AgentState, Heartbeat

__all__ = ["Watch"]

_SHORTEST_WAIT_S = 0.05
_LEFT_IN_ORDER = {AgentState.FINISHED, AgentState.STOPPED, AgentState.HANDED_OVER, AgentState.FAILED}


class Watch:
    """Keeps what one machine said last."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stored: datetime | None = None
        self.path: PurePosixPath = CampaignFolder(job.machine, job.campaign).status
        self.heartbeat: Heartbeat | None = None

    def hear(self, news: Stored) -> Heartbeat:
        """Take a heartbeat of this machine.

        Raises:
            DocumentError: it is none, or another machine's; what was heard before stands.
        """
        if isinstance(news.content, DocumentError):
            raise news.content
        heartbeat = Heartbeat.from_bytes(news.content, source=str(self.path))
        if (heartbeat.machine, heartbeat.campaign) != (self._job.machine, self._job.campaign):
            raise DocumentError(f"{self.path}: is of {heartbeat.machine} in {heartbeat.campaign}")
        self.heartbeat, self._stored = heartbeat, news.at
        return heartbeat

    def standing(self, now: datetime | None = None) -> Standing:
        """Where the machine is; `now` is by the server's clock, by default this machine's."""
        return standing(self.heartbeat, self._stored, now or datetime.now(UTC))

    def silent_in_s(self) -> float | None:
        """In how many seconds the machine is silent if nothing more is heard; None: it is, or cannot be."""
        limit = silent_from(self.heartbeat, self._stored)
        now = datetime.now(UTC)
        if limit is None or self.standing(now).state is MachineState.SILENT:
            return None
        return max(_SHORTEST_WAIT_S, (limit - now).total_seconds())

    def overdue_s(self) -> float | None:
        """For how long something should have been heard; negative: in so long; None: never."""
        limit = silent_from(self.heartbeat, self._stored)
        return None if limit is None else (datetime.now(UTC) - limit).total_seconds()
