"""Where a machine is with its job, from its last heartbeat and the server's clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from integrator.words import counted
from protocol.status import AgentState, Heartbeat

__all__ = ["MachineState", "Standing", "silent_from", "standing"]

_BETWEEN_HEARTBEATS = timedelta(minutes=2)
"""How long an agent may be silent that announced no silence."""
_TOLERANCE = timedelta(seconds=60)
"""Beyond an announced silence: ending a run, sending its result."""
_LONGEST_SILENCE = timedelta(days=8)
"""No run may take longer, whatever a heartbeat says."""


_AT_WORK = {AgentState.PREPARING, AgentState.RUNNING}


class MachineState(StrEnum):
    """What can be said of a machine in one word."""

    WAITING = "waiting"
    """No agent has begun; or one was told to stop before the end, or has left the rest to another release."""
    RUNNING = "running"
    SILENT = "silent"
    """Its agent should have been heard, and was not."""
    TROUBLE = "trouble"
    """Its agent or the machine itself is gone, or does not answer; it is tried again."""
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Standing:
    """A machine at one moment."""

    state: MachineState
    done: int = 0
    total: int = 0
    since: datetime | None = None
    """By the server's clock, when the last heartbeat was stored."""
    detail: str = ""
    failed: int = 0
    """Runs, of those done, that are not ok."""

    def __str__(self) -> str:
        count = f"{self.done} of {self.total}"
        if self.state is MachineState.RUNNING:
            return f"running {count}"
        if self.state is MachineState.SILENT and self.since:
            return f"silent since {self.since:%Y-%m-%d %H:%M:%S} UTC, {count} done"
        if self.state is MachineState.TROUBLE:
            return f"trouble, {count} done, tried again: {self.detail}"
        if self.state is MachineState.FINISHED:
            return f"finished, {counted(self.done, 'run')}"
        if self.state is MachineState.FAILED:
            return f"failed: {self.detail}"
        return f"waiting, {count} done" if self.done else "waiting"


def standing(heartbeat: Heartbeat | None, stored: datetime | None, now: datetime) -> Standing:
    """Judge a machine.

    Args:
        heartbeat: Its last; None: there was none.
        stored: When the server stored it. The agent's own clock may be a day off, so of its times only the
            difference between two of them counts.
        now: The server's time.
    """
    if heartbeat is None or stored is None:
        return Standing(MachineState.WAITING)
    if heartbeat.state is AgentState.FINISHED:
        state = MachineState.FINISHED
    elif heartbeat.state is AgentState.FAILED:
        state = MachineState.FAILED
    elif heartbeat.state in {AgentState.STOPPED, AgentState.HANDED_OVER}:
        state = MachineState.WAITING
    else:
        limit = silent_from(heartbeat, stored)
        state = MachineState.SILENT if limit is not None and now > limit else MachineState.RUNNING
    return Standing(state, heartbeat.done, heartbeat.total, stored, heartbeat.detail, heartbeat.failed)


def silent_from(heartbeat: Heartbeat | None, stored: datetime | None) -> datetime | None:
    """From when on the machine is silent, if nothing more is heard; None: it has nothing to say."""
    if heartbeat is None or stored is None or heartbeat.state not in _AT_WORK:
        return None
    return stored + _expected(heartbeat) + _TOLERANCE


def _expected(heartbeat: Heartbeat) -> timedelta:
    if heartbeat.silent_until is None:
        return _BETWEEN_HEARTBEATS
    announced = heartbeat.silent_until - heartbeat.updated_at
    return min(max(announced, _BETWEEN_HEARTBEATS), _LONGEST_SILENCE)
