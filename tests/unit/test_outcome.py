"""From how a process ended to what the table says."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import pytest

from agent.execute import Ending
from agent.outcome import judge
from protocol.result import Status

ENDED = Ending(
    exit_code=0,
    timed_out=False,
    stopped=False,
    phase="measure",
    report=None,
    start_ns=b"",
    latency_ns=b"",
    stderr="",
    oom_kills=0,
    seconds=1.0,
)
KILLED = -signal.SIGKILL


def reported(status: str, reason: str) -> dict[str, Any]:
    return {"status": status, "reason": reason}


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        (replace(ENDED, report={"status": "ok", "reason": ""}), Status.OK, ""),
        (
            replace(ENDED, phase="compile", report=reported("failed", "RuntimeError: no kernel")),
            Status.FAILED,
            "while compiling the model: RuntimeError: no kernel",
        ),
        (
            replace(
                ENDED, phase="compile", report={"status": "failed", "reason": "RuntimeError: std::bad_alloc"}
            ),
            Status.OUT_OF_MEMORY,
            "while compiling the model: RuntimeError: std::bad_alloc",
        ),
        (
            replace(
                ENDED, phase="read", report={"status": "unsupported", "reason": "device GPU is not here"}
            ),
            Status.UNSUPPORTED,
            "device GPU is not here",
        ),
        (
            replace(ENDED, exit_code=-signal.SIGSEGV),
            Status.CRASHED,
            "SIGSEGV (Segmentation fault) while measuring",
        ),
        (
            replace(ENDED, exit_code=-35, phase="warmup"),
            Status.CRASHED,
            "signal 35 (Real-time signal 1) while warming up",
        ),
        (
            replace(ENDED, exit_code=-signal.SIGABRT, phase="read", stderr="terminate called"),
            Status.CRASHED,
            "SIGABRT (Aborted) while reading the model\nIts last words:\nterminate called",
        ),
        (
            replace(ENDED, exit_code=KILLED, oom_kills=1),
            Status.OUT_OF_MEMORY,
            "killed by the kernel for want of memory while measuring",
        ),
        (
            replace(ENDED, exit_code=KILLED),
            Status.CRASHED,
            "killed from outside with SIGKILL while measuring",
        ),
        (
            replace(ENDED, exit_code=KILLED, timed_out=True, oom_kills=1),
            Status.TIMEOUT,
            "ended after 30 s while measuring",
        ),
        (
            replace(ENDED, exit_code=KILLED, stopped=True),
            Status.NOT_RUN,
            "stopped by the operator while measuring",
        ),
        (
            replace(ENDED, exit_code=1, phase=None, stderr="ImportError: x.so: failed to map segment"),
            Status.OUT_OF_MEMORY,
            (
                "the process left with exit code 1 while starting\n"
                "Its last words:\nImportError: x.so: failed to map segment"
            ),
        ),
        (
            replace(ENDED, exit_code=3, phase="warmup"),
            Status.FAILED,
            "the process left with exit code 3 while warming up",
        ),
    ],
)
def test_every_ending_has_a_status_and_a_reason(ending: Ending, status: Status, reason: str) -> None:
    assert judge(ending, timeout_s=30) == (status, reason)


def test_a_report_counts_even_when_the_process_was_ended_afterwards() -> None:
    """A grandchild that lives on, or a slow exit, does not undo a measurement that is complete."""
    ending = replace(ENDED, exit_code=KILLED, timed_out=True, report={"status": "ok", "reason": ""})
    assert judge(ending, timeout_s=30).status is Status.OK


def test_a_very_long_reason_keeps_its_beginning_and_its_end() -> None:
    text = "begin " + "x" * 100_000 + " end"
    outcome = judge(replace(ENDED, report={"status": "failed", "reason": text}), timeout_s=30)
    assert len(outcome.reason) <= 20_000
    assert outcome.reason.startswith("while measuring: begin")
    assert outcome.reason.endswith(" end")
