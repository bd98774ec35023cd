"""An agent as a process on the integrator's own machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from protocol.account import Account

__all__ = ["LocalAgent"]


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
