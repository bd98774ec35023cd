"""One run as a process: started, waited for with a deadline, ended for certain."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.orphans import children, end_all_but, reap
from agent.stop import Stop
from agent.template import Template
from agent.worker.spec import LATENCIES, PHASE, REPORT, STARTS, STDERR, RunSpec
from protocol.samples import Samples

__all__ = ["Ending", "execute"]

_TAIL_BYTES = 4096
_MAX_REPORT_BYTES = 64 << 20
_MAX_TIMES_BYTES = 8 * 20_000_000


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run's process ended, as far as it can be seen from outside."""

    exit_code: int
    """As `subprocess` has it: a negative number names the signal."""
    timed_out: bool
    stopped: bool
    """The agent was told twice to stop, and ended the run."""
    phase: str | None
    """The last phase that the run said it entered."""
    report: dict[str, Any] | None
    start_ns: bytes
    latency_ns: bytes
    """What the run wrote of its raw times."""
    stderr: str
    """The end of what the run printed as errors."""
    oom_kills: int
    """Processes that the kernel killed for memory on this machine meanwhile."""
    seconds: float

    @property
    def measured_ns(self) -> tuple[int, int] | None:
        """When the timed region began and ended, by this machine's monotonic clock."""
        begin, end = (self.report or {}).get("measured_ns", (0, 0))
        return (int(begin), int(end)) if end else None

    @property
    def samples(self) -> Samples | None:
        """The run's raw times, packed; None where it did not get that far."""
        measured = (self.report or {}).get("samples")
        return Samples.pack(self.start_ns, self.latency_ns, **measured) if measured else None


def execute(
    spec: RunSpec, folder: Path, *, timeout_s: float, stop: Stop, template: Template | None = None
) -> Ending:
    """Carry out `spec` in a fresh process with `folder` as its own, and leave nothing of it behind.

    The caller sleeps until the process ends: nothing else runs beside the measurement.

    Args:
        spec: The run.
        folder: An empty folder that is there.
        timeout_s: After which the run is ended.
        stop: Ends the run, too, when told twice.
        template: What to fork the run from; by default a new one.
    """
    spec.write(folder)
    oom_before = _oom_kills()
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        forks = template or stack.enter_context(Template())
        timed_out = stopped = False
        forks.prepare()
        reap()
        beside = children()
        try:
            forks.start(folder)
            ended, stopped = forks.wait(timeout_s, stop)
            timed_out = not ended and not stopped
        finally:
            # The whole group, and also after a good end: a run may have left children of its own.
            exit_code = forks.finish()
            end_all_but(beside)
    return Ending(
        exit_code=exit_code,
        timed_out=timed_out,
        stopped=stopped,
        phase=_read_text(folder / PHASE),
        report=_read_report(folder / REPORT),
        start_ns=_read_bytes(folder / STARTS, _MAX_TIMES_BYTES) or b"",
        latency_ns=_read_bytes(folder / LATENCIES, _MAX_TIMES_BYTES) or b"",
        stderr=_tail(folder / STDERR),
        oom_kills=_oom_kills() - oom_before,
        seconds=time.monotonic() - begin,
    )


def _oom_kills() -> int:
    """The kernel's count of processes killed for memory since boot; 0 where it keeps none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _read_report(path: Path) -> dict[str, Any] | None:
    try:
        report = json.loads(_read_bytes(path, _MAX_REPORT_BYTES) or b"")
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def _read_bytes(path: Path, limit: int) -> bytes | None:
    try:
        return None if path.stat().st_size > limit else path.read_bytes()
    except OSError:
        return None


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return stream.read().decode(errors="replace").strip()
    except OSError:
        return ""
