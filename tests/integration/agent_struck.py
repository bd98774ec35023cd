"""The real agent, killed at a named step: `python -m tests.integration.agent_struck STEP ARGUMENTS…`.

A SIGKILL comes when the agent does that for the first time; `-` lets it live. Its patience is shortened: a
server that is away is asked again after some tenths of a second, and so is who holds the machine.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import agent.carry_out
import agent.lease
import agent.loop
from agent.cli import main
from agent.spool import Spool
from protocol.ftp_connection import FtpConnection
from protocol.local_part import LocalPart
from protocol.retry import RetryPolicy
from protocol.transfer import TransferClient

__all__ = ["STEPS"]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sleep(seconds: Any, /) -> None:
    select.select([], [], [], seconds)


def _around(
    owner: type, name: str, concerns: Callable[..., bool], *, before: bool = False, after: bool = False
) -> None:
    """Die before or after a method, when `concerns` says so of its arguments."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def struck(*args: Any, **more: Any) -> Any:
        due = concerns(*args)
        if due and before:
            _die()
        answer = method(*args, **more)
        if due and after:
            _die()
        return answer

    setattr(owner, name, struck)


def _spooled(path: Path, *_: object) -> bool:
    return path.parent.parent.name == "spool"


def _part(path: Path, *_: object) -> bool:
    return ".part-" in path.name


def _in_a_download() -> None:
    write = LocalPart.write

    def struck(self: LocalPart, chunk: bytes) -> None:
        write(self, chunk[: len(chunk) // 2])
        self._stream.flush()
        _die()

    LocalPart.write = struck  # type: ignore[method-assign]


def _command(word: str) -> Callable[[FtpConnection, str], bool]:
    renamed: list[bool] = []

    def concerns(_: FtpConnection, line: str) -> bool:
        if line.startswith("RNFR"):
            renamed.append("/results/" in line)
        return line.startswith(word) and bool(renamed) and renamed[-1]

    return concerns


def _in_an_upload() -> None:
    store = FtpConnection.store

    def half(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            _die()

    def struck(self: FtpConnection, path: PurePosixPath, chunks: Iterable[bytes], *, offset: int = 0) -> None:
        store(self, path, half(chunks) if "results" in path.parts else chunks, offset=offset)

    FtpConnection.store = struck  # type: ignore[method-assign]


def _always(*_: object) -> bool:
    return True


STEPS: dict[str, Callable[[], None]] = {
    "in the download of a model": _in_a_download,
    "before a model gets its name": lambda: _around(Path, "replace", _part, before=True),
    "while the spool is written": lambda: _around(Path, "replace", _spooled, before=True),
    "before the push": lambda: _around(Spool, "add", _always, after=True),
    "in STOR": _in_an_upload,
    "after STOR": lambda: _around(FtpConnection, "putline", _command("RNFR"), before=True),
    "before RNTO": lambda: _around(FtpConnection, "putline", _command("RNTO"), before=True),
    "when RNTO is sent": lambda: _around(FtpConnection, "putline", _command("RNTO"), after=True),
    "before the spool lets go": lambda: _around(Path, "unlink", _spooled, before=True),
    "when the spool has let go": lambda: _around(Path, "unlink", _spooled, after=True),
}
"""By their names, in the order of a result's way."""


if __name__ == "__main__":
    step = sys.argv.pop(1)
    quick = RetryPolicy(attempts=2, first_pause_s=0.1)
    patient = functools.partial(TransferClient, timeout_s=3, retry=quick)
    agent.loop.TransferClient = patient  # type: ignore[assignment,attr-defined]
    agent.carry_out._LAST_PUSH_S = 1.0
    agent.lease._LOOK_EVERY_S = 0.5
    agent.loop._LOOK_AT_FILE_S = 0.2
    if "FAKETIME" in os.environ:
        # libfaketime 0.9.10 now and then makes an invalid time of the moment that Python's sleep waits for.
        time.sleep = _sleep
    if step in STEPS:
        STEPS[step]()
    main()
