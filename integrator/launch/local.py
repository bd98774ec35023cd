"""An agent as a process on the integrator's own machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from integrator.launch.interface import AgentStatus, Order, Presence
from protocol.account import Account
from protocol.errors import LaunchError

__all__ = ["LocalAgent", "LocalLauncher"]

_KILL_TIMEOUT_S = 30.0


class LocalLauncher:
    """Starts and ends an agent on this computer. It works through its jobs and leaves.

    It stops when this process ends, however that happens.
    """

    def __init__(self, work: Path, *, cache: Path) -> None:
        self._work = work.resolve()
        self._cache = cache
        self._log = self._work / "agent.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, order: Order) -> None:
        """See `Launcher.start`."""
        if self.status().state is Presence.RUNNING:
            return
        hand_over = self._work / "account.json"
        command = [
            *(sys.executable, "-I", "-m", "agent.cli"),
            *("--account", str(hand_over), "--work", str(self._work), "--cache", str(self._cache)),
            *("--once", "--with-parent", str(os.getpid())),
        ]
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            if order.account is not None:
                order.account.write(hand_over)
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the integrator, which then tells the agent
                )
        except OSError as error:
            raise LaunchError(
                f"{self._work}: the agent cannot be started: {error.strerror or error}",
                advice="is there room on this disk, and may you write there?",
            ) from error

    def status(self) -> AgentStatus:
        """See `Launcher.status`."""
        if self._process is None:
            return AgentStatus(Presence.ABSENT)
        code = self._process.poll()
        return AgentStatus(Presence.RUNNING) if code is None else AgentStatus(Presence.EXITED, code)

    def wait(self, timeout_s: float) -> AgentStatus:
        """See `Launcher.wait`."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        return self.status()

    def ask_to_stop(self) -> None:
        """See `Launcher.ask_to_stop`: SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def remove(self) -> None:
        """See `Launcher.remove`; a run under way ends with the agent. Its work folder stays."""
        if self._process is None:
            return
        self._process.kill()
        try:
            self._process.wait(_KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise LaunchError(
                f"the agent on this computer (process {self._process.pid}) does not end",
                advice="it waits for a device or a disk; see the kernel's log: dmesg",
            ) from None
        self._process = None

    def logs(self, lines: int = 10) -> str:
        """See `Launcher.logs`."""
        try:
            said = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return "\n".join(said[-lines:])

    def close(self) -> None:
        """See `Launcher.close`."""


class LocalAgent:
    """An agent that was started here. It works through its jobs and leaves.

    It stops when this process ends, however that happens.
    """

    def __init__(self, account: Account, work: Path, *, cache: Path) -> None:
        work = work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        self.log = work / "agent.log"
        hand_over = work / "account.json"
        account.write(hand_over)
        command = [
            "-I",
            "-m",
            "agent.cli",
            "--account",
            str(hand_over),
            "--work",
            str(work),
            "--cache",
            str(cache),
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                [sys.executable, *command, "--once", "--with-parent", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the integrator, which then tells the agent
            )

    def exit_code(self) -> int | None:
        """How the agent ended; None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Let it finish the run under way, send what it has, and leave. Asked twice, it ends the run."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait_for_end(self) -> None:
        """Sleep until the agent has left."""
        self._process.wait()

    def wait(self, timeout_s: float) -> bool:
        """Whether the agent left in time; it is killed otherwise, and its run with it."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True

    def last_words(self) -> str:
        """The end of the agent's log."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-10:])
