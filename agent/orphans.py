"""Processes that a run left behind outside of its process group: adopted by the agent, and ended.

A process that starts a session of its own (`setsid`, as daemons do) is in no group of the run's any more.
When its parent is gone, Linux hands it to the nearest ancestor that asked for orphans, and so it can still be
found.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from pathlib import Path

__all__ = ["adopt", "children", "end_all_but", "reap"]

_log = logging.getLogger("fleetmark.agent")

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_ENDED = b"Z"
_PATIENCE_S = 5.0
_PAUSE_S = 0.01


def adopt() -> None:
    """Become the parent of every descendant that loses its own; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> frozenset[int]:
    """The process ids of this process's children; none in a process that does not adopt."""
    return frozenset(_children()) if _adopts() else frozenset()


def reap() -> None:
    """Let go of children that have ended: orphans that nobody else waits for.

    In a container this may be process 1, whose orphans are all those of the container. What lives is let be:
    somebody may have started it there.
    """
    if _adopts():
        for process, state in _children().items():
            if state == _ENDED:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process, os.WNOHANG)


def end_all_but(known: frozenset[int]) -> None:
    """End every child that is not among `known`, and what it leaves in turn."""
    deadline = time.monotonic() + _PATIENCE_S
    while left := children() - known:
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        if time.monotonic() > deadline:
            _log.warning("processes that a run left behind do not end: %s", sorted(left))
            return
        time.sleep(_PAUSE_S)


def _adopts() -> bool:
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    failed = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return not failed and bool(answer.value)


def _children() -> dict[int, bytes]:
    """Each child's process id and state."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name, in brackets, may hold anything; the state and the parent follow it.
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == os.getpid():
                    found[int(entry.name)] = fields[0]
    return found
