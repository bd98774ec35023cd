"""What every way to start an agent can do: `local`, `docker`, `waiting`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from protocol.account import Account

__all__ = ["AgentStatus", "Launcher", "Order", "Presence"]


@dataclass(frozen=True, slots=True)
class Order:
    """What an agent is started for."""

    machine: str
    campaign: str
    account: Account | None
    """What it logs in with; None: it has its hand-over file already."""
    openvino: str | None = None
    """The release that the next runs ask for, as the campaign names it; None: whichever is there."""
    number: int = 1
    """Counts the starts in one campaign."""


class Presence(StrEnum):
    """Whether there is an agent, as far as whoever starts it can see."""

    ABSENT = "absent"
    """None was started, or it was removed."""
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"
    """Nobody can be asked: the machine or its engine does not answer."""
    ELSEWHERE = "elsewhere"
    """It is nobody's business here: it was started by hand, and polls."""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """An agent at one moment."""

    state: Presence
    exit_code: int | None = None
    """As `subprocess` has it: a negative number names the signal. Only of an agent that has exited."""
    detail: str = ""
    """Why the state is unknown, or how it ended, in words."""


class Launcher(Protocol):
    """Starts and ends the agent of one machine.

    Every call has a time limit of its own and raises `LaunchError` with what happened and what to do about
    it: `UnreachableError` where asking again later may help, `UserError` where somebody has to change
    something.
    """

    def start(self, order: Order) -> None:
        """Start an agent, or go on with the one of the same campaign, machine and release that runs."""

    def status(self) -> AgentStatus:
        """How the agent is; never raises for a machine that cannot be reached: that is `UNKNOWN`."""

    def wait(self, timeout_s: float) -> AgentStatus:
        """Sleep until the agent is no longer running, or the time is up."""

    def ask_to_stop(self) -> None:
        """Let it finish the run under way, send what it has, and leave. Asked twice, it ends the run."""

    def remove(self) -> None:
        """End it now, if it runs, and leave nothing of it behind but what it keeps for its next start."""

    def logs(self, lines: int = 10) -> str:
        """The end of what it said."""

    def close(self) -> None:
        """Let go of connections; the agent runs on."""
