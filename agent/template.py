"""The process that runs are forked from, as the agent sees it: started, asked for a run, ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from agent.stop import Stop

__all__ = ["Template"]

_MOST_RUNS = 10
"""Runs of one template share where Python and OpenVINO's core lie in memory; so it is replaced at times."""


class Template:
    """Forks one run at a time. It starts with the first one, and again when it has ended for any reason."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._interpreter = ""
        self._runs = 0
        self._run: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self) -> None:
        """Have a template that is ready, or will be soon: it loads what it needs while others go on."""
        if (
            self._process is None
            or self._process.poll() is not None
            or self._runs >= _MOST_RUNS
            or self._interpreter != sys.executable
        ):
            self.close()
            self._interpreter, self._runs = sys.executable, 0
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                [sys.executable, "-I", "-m", "agent.worker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def start(self, folder: Path) -> None:
        """Fork the run whose spec is in `folder`."""
        self.prepare()
        self._runs += 1
        with contextlib.suppress(BrokenPipeError):  # then it has no answer either
            self._pipe(0).write(os.fsencode(folder) + b"\n")
        answer = self._line()
        self._run = int(answer) if answer else None

    def wait(self, timeout_s: float, stop: Stop) -> tuple[bool, bool]:
        """Sleep until the run has ended, its time is up, or it has to end at once: (ended, stopped)."""
        answer = self._pipe(1).fileno()
        poller = select.poll()
        poller.register(answer, select.POLLIN)
        poller.register(stop.at_once_fileno(), select.POLLIN)
        ready = {number for number, _ in poller.poll(timeout_s * 1000)}
        return answer in ready, stop.at_once_fileno() in ready and answer not in ready

    def finish(self) -> int:
        """End the run and all that it started; its exit code as `subprocess` has it.

        A template that was killed leaves no exit code; the kernel has then killed the run too.
        """
        if self._run is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._run, signal.SIGKILL)
        self._run = None
        answer = self._line()
        if answer:
            return int(answer)
        self.close()
        return -signal.SIGKILL

    def close(self) -> None:
        """End the template, and with it a run that it still has."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait()
            self._process = None

    def _pipe(self, number: int) -> IO[bytes]:
        pipe = (self._process.stdin, self._process.stdout)[number] if self._process else None
        if pipe is None:
            raise RuntimeError("the template was not started")
        return pipe

    def _line(self) -> bytes:
        """One line of the template, without its end; empty when the template has ended."""
        line = b""
        while not line.endswith(b"\n"):
            piece = self._pipe(1).read(1)
            if not piece:
                return b""
            line += piece
        return line[:-1]
