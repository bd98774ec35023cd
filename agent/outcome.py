"""From how a process ended to a status and a reason. Pure."""

from __future__ import annotations

import signal
from typing import NamedTuple

from agent.execute import Ending
from protocol.result import Status

__all__ = ["Outcome", "judge", "shortened"]

_WORDS = {
    None: "while starting",
    "read": "while reading the model",
    "compile": "while compiling the model",
    "prepare": "while making infer requests",
    "first_inference": "in the first inference",
    "warmup": "while warming up",
    "measure": "while measuring",
}
_REASON_LIMIT = 20_000
_MEMORY_SIGNS = (
    "bad_alloc",
    "can't alloc",
    "cannot allocate memory",
    "failed to map segment",
    "memory allocation",
    "memoryerror",
    "out of memory",
    "out_of_memory",
    "out_of_host_memory",
)
"""How libraries say that they were refused memory, in small letters."""


class Outcome(NamedTuple):
    """What the table says of a run."""

    status: Status
    reason: str


def judge(ending: Ending, *, timeout_s: float) -> Outcome:
    """The status and the reason of a run."""
    status, reason = _judge(ending, timeout_s)
    return Outcome(status, shortened(reason))


def shortened(reason: str) -> str:
    """A reason as long as a result may hold, with its beginning and its end."""
    if len(reason) <= _REASON_LIMIT:
        return reason
    half = _REASON_LIMIT // 2 - 10
    return f"{reason[:half]}\n[…]\n{reason[-half:]}"


def _judge(ending: Ending, timeout_s: float) -> Outcome:
    where = _WORDS.get(ending.phase, f"in {ending.phase}")
    if ending.report is not None:
        return _reported(Status(ending.report["status"]), str(ending.report["reason"]), where)
    if ending.stopped:
        return Outcome(Status.NOT_RUN, f"stopped by the operator {where}")
    if ending.timed_out:
        return Outcome(Status.TIMEOUT, f"ended after {timeout_s:g} s {where}")
    said = f"\nIts last words:\n{ending.stderr}" if ending.stderr else ""
    if ending.exit_code < 0:
        return _signalled(ending, where, said)
    status = Status.OUT_OF_MEMORY if _refused_memory(ending.stderr) else Status.FAILED
    return Outcome(status, f"the process left with exit code {ending.exit_code} {where}{said}")


def _reported(status: Status, reason: str, where: str) -> Outcome:
    if status is Status.OK:
        return Outcome(status, "")
    if status is Status.FAILED and _refused_memory(reason):
        status = Status.OUT_OF_MEMORY
    return Outcome(status, reason if status is Status.UNSUPPORTED else f"{where}: {reason}")


def _refused_memory(text: str) -> bool:
    return any(sign in text.lower() for sign in _MEMORY_SIGNS)


def _signalled(ending: Ending, where: str, said: str) -> Outcome:
    number = -ending.exit_code
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"  # a real-time signal has no name
    if name == "SIGKILL" and ending.oom_kills:
        return Outcome(Status.OUT_OF_MEMORY, f"killed by the kernel for want of memory {where}")
    if name == "SIGKILL":
        return Outcome(Status.CRASHED, f"killed from outside with SIGKILL {where}")
    return Outcome(Status.CRASHED, f"{name} ({signal.strsignal(number)}) {where}{said}")
