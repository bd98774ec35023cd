"""An agent as a process on the integrator's own machine."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from integrator.launch.interface import AgentStatus, Order, Presence
from protocol.errors import LaunchError

__all__ = ["LocalLauncher"]


class LocalLauncher:
    """Starts an agent here. It works through its jobs and leaves.

    The agent stops when this process ends, however that happens; to Linux that is the thread that started it,
    so that thread has to last as long.
    """

    def __init__(self, work: Path, *, cache: Path) -> None:
        self._work = work.resolve()
        self._cache = cache
        self.log = self._work / "agent.log"
        self._log_begin = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, order: Order) -> None:
        """Start one, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        if order.account is None:
            raise LaunchError(f"{order.machine}: no account for its agent")
        hand_over = self._work / "account.json"
        folders = ["--account", str(hand_over), "--work", str(self._work), "--cache", str(self._cache)]
        command = ["-I", "-m", "agent.cli", *folders, "--once", "--with-parent", str(os.getpid())]
        command += ["--campaign", order.campaign]  # there is no other release to hand over to
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            order.account.write(hand_over)
            with self.log.open("ab") as log:
                self._log_begin = log.tell()
                self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                    [sys.executable, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the integrator, which then tells the agent
                )
        except OSError as error:
            raise LaunchError(
                f"{order.machine}: no agent could be started: {error.strerror}: {error.filename}",
                advice="is there room on this disk, and may you write there?",
            ) from error

    def status(self) -> AgentStatus:
        """Whether it runs."""
        if self._process is None:
            return AgentStatus(Presence.ABSENT)
        code = self._process.poll()
        return AgentStatus(Presence.RUNNING if code is None else Presence.EXITED, code)

    def wait(self, timeout_s: float) -> AgentStatus:
        """Sleep until it has left; nothing wakes up in between, because this may be the measured machine."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(process.pid)
                try:
                    poller = select.poll()
                    poller.register(descriptor, select.POLLIN)
                    poller.poll(timeout_s * 1000)
                finally:
                    os.close(descriptor)
        return self.status()

    def ask_to_stop(self) -> None:
        """Let it finish the run under way, send what it has, and leave. Asked twice, it ends the run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def remove(self) -> None:
        """End it, and its run with it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def logs(self, lines: int = 10) -> str:
        """The end of the log of the agent that was started last."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_begin)
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def close(self) -> None:
        """Nothing is open."""
