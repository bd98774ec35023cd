"""Watching one machine: what its agent last said, and whether the agent still lives."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from integrator.standing import Standing, standing
from protocol.errors import DocumentError, TransferError
from protocol.job import Job
from protocol.layout import CampaignFolder, clock_file
from protocol.status import AgentState, Heartbeat
from protocol.transfer import Digest, TransferClient

__all__ = ["Watch"]


class Watch:
    """Hears the heartbeats of one machine."""

    def __init__(self, job: Job, client: TransferClient) -> None:
        self._path = CampaignFolder(job.machine, job.campaign).status
        self._client = client
        self._clock_file = clock_file(job.machine)
        self._clock: tuple[datetime, float] | None = None
        """The server's time, and this machine's monotonic clock at that moment."""
        self._stored: datetime | None = None
        self._seen: Digest | None = None
        self.heartbeat: Heartbeat | None = None

    def listen(self) -> Heartbeat | None:
        """The heartbeat, if it is another one than before.

        Only its hash is asked for until it changes: a look costs the server, which may stand on the machine
        that is measured, one line on a connection that is open anyway.
        """
        try:
            digest = self._client.digest(self._path)
            if digest is None or digest == self._seen:
                return None
            if self._clock is None:
                self._set_clock()
            data = self._client.read(self._path, max_bytes=Heartbeat.max_bytes)
            self.heartbeat = Heartbeat.from_bytes(data, source=str(self._path))
            self._stored = self._client.modified(self._path)
        except (TransferError, DocumentError):
            return None  # the next look may do better, and the agent's end is seen without it
        self._seen = digest
        return self.heartbeat

    def standing(self) -> Standing:
        """Where the machine is, from what was heard; asks the server nothing."""
        if self._clock is None or self._stored is None:
            return standing(None, None, datetime.now(UTC))
        server, then = self._clock
        return standing(self.heartbeat, self._stored, server + timedelta(seconds=time.monotonic() - then))

    def _set_clock(self) -> None:
        """Learn the server's time once; from then on it is counted here, and costs nobody anything."""
        self._client.write(self._clock_file, b"{}\n")
        if server := self._client.modified(self._clock_file):
            self._clock = (server, time.monotonic())

    def ending(self, exit_code: int, last_words: str) -> str:
        """Why an agent that left left results missing; empty where it finished its job."""
        said = self.heartbeat
        if said and said.state is AgentState.FINISHED:
            return ""
        if said and said.state is AgentState.STOPPED:
            return "the campaign was stopped before this test was run"
        if said and said.state is AgentState.FAILED:
            return f"the agent gave up: {said.detail}"
        said_last = last_words or "(none)"
        return f"the agent ended with code {exit_code}; its last words:\n{said_last}"
