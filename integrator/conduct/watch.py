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

    def standing_without(self, exit_code: int) -> Standing:
        """Where the machine is when its agent has left."""
        if self.heartbeat and self.heartbeat.state in _LEFT_IN_ORDER:
            return self.standing()
        done, total = (self.heartbeat.done, self.heartbeat.total) if self.heartbeat else (0, 0)
        detail = f"the agent ended with code {exit_code}"
        return Standing(MachineState.FAILED, done, total, self._stored, detail)

    def ending(self, exit_code: int, last_words: str) -> str:
        """Why an agent that left left results missing; empty where it finished its job."""
        said = self.heartbeat
        if said and said.state is AgentState.FINISHED:
            return ""
        if said and said.state is AgentState.STOPPED:
            return "the campaign was stopped before this test was run"
        if said and said.state is AgentState.HANDED_OVER:
            return f"no agent with OpenVINO {said.detail} came to carry out this test"
        if said and said.state is AgentState.FAILED:
            return f"the agent gave up: {said.detail}"
        said_last = last_words or "(none)"
        return f"the agent ended with code {exit_code}; its last words:\n{said_last}"
