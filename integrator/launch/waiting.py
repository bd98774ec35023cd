"""An agent that somebody else started, and that polls the server: there is nothing to start or to end."""

from __future__ import annotations

import threading

from integrator.launch.interface import AgentStatus, Order, Presence

__all__ = ["WaitingLauncher"]


class WaitingLauncher:
    """Leaves an agent alone. What it does is in its heartbeats."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def start(self, order: Order) -> None:
        """See `Launcher.start`: the agent finds the job by itself."""

    def status(self) -> AgentStatus:
        """See `Launcher.status`."""
        return AgentStatus(Presence.ELSEWHERE)

    def wait(self, timeout_s: float) -> AgentStatus:
        """See `Launcher.wait`: nothing here tells that it ended, so this takes its time, or until `close`."""
        self._closed.wait(timeout_s)
        return self.status()

    def ask_to_stop(self) -> None:
        """See `Launcher.ask_to_stop`: without its job on the server, it has nothing to do."""

    def remove(self) -> None:
        """See `Launcher.remove`: it is not ours to end."""

    def logs(self, lines: int = 10) -> str:  # noqa: ARG002 - its log is on its machine
        """See `Launcher.logs`."""
        return ""

    def close(self) -> None:
        """See `Launcher.close`; a `wait` under way ends."""
        self._closed.set()
