"""How a campaign goes, live: a table in a terminal, lines in a log. All on standard error."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from integrator.conduct.standing import MachineState, Standing
from integrator.plan import estimate_s
from integrator.site.cells import clean_text
from integrator.standings_table import MachineRow, standings_table
from integrator.words import counted, duration
from protocol.job import Job
from protocol.status import Heartbeat

__all__ = ["LiveProgress", "harmless"]


_MOST_CHARS = 1000


@dataclass
class _Pace:
    """Of one machine."""

    job: Job
    first: tuple[float, int] | None = None
    """When it was heard first in a test, and how many runs were done."""

    def left_s(self, heartbeat: Heartbeat) -> tuple[float, bool] | None:
        """Seconds left, and whether that is the most: from the pace so far, or from the plan without one."""
        if heartbeat.done >= heartbeat.total:
            return None
        if self.first is None:
            if heartbeat.test:
                self.first = (time.monotonic(), heartbeat.done)
            return self._planned_s() * (heartbeat.total - heartbeat.done), True
        begin, done = self.first
        runs = heartbeat.done - done
        pace = (time.monotonic() - begin) / runs if runs else self._planned_s()
        return pace * (heartbeat.total - heartbeat.done), False

    def _planned_s(self) -> float:
        """Of one run."""
        return estimate_s(self.job) / len(self.job.schedule)


class LiveProgress:
    """Shows a campaign's progress; a context manager.

    It draws when there is something new and never in between: this may be the machine that is measured.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._paces: dict[str, _Pace] = {}
        self._rows: dict[str, MachineRow] = {}
        self._changed = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self.settle()
            self._live.stop()

    def expect(self, machines: Collection[str]) -> None:
        """Each has a row from the beginning, in this order."""
        for machine in machines:
            self._row(machine)

    def say(self, sentence: str) -> None:
        """A line of its own, whatever a machine has put into it."""
        self._console.print(Text(harmless(sentence)), soft_wrap=True)

    def start(self, job: Job) -> None:
        """A machine's job begins."""
        self._paces[job.machine] = _Pace(job)
        about = duration(estimate_s(job))
        work = f"{counted(len(job.tests), 'test')}, {counted(len(job.schedule), 'run')}"
        self.say(f"{job.machine}: {work}, at most about {about}")
        row = self._row(job.machine)
        row.total, row.left, row.now = len(job.schedule), f"at most about {about}", "starting"

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""
        pace = self._paces.get(heartbeat.machine)
        left = pace.left_s(heartbeat) if pace else None
        words = f"{'at most ' if left[1] else ''}about {duration(left[0])}" if left else ""
        now = harmless(heartbeat.detail) or str(heartbeat.state)
        if heartbeat.test:
            now = f"{heartbeat.test} run {(heartbeat.run or 0) + 1}"
        row = self._row(heartbeat.machine)
        row.done, row.total, row.failed = heartbeat.done, heartbeat.total, heartbeat.failed
        row.now, row.left, row.heard = now, words, time.strftime("%H:%M:%S")
        if not self._console.is_terminal:
            failed = f"  {heartbeat.failed} failed" if heartbeat.failed else ""
            count = f"[{heartbeat.done:>{len(str(heartbeat.total))}}/{heartbeat.total}]"
            self.say(
                f"{count} {heartbeat.machine}  {now}{failed}  {f'{words} left' if words else ''}".rstrip()
            )

    def stand(self, machine: str, standing: Standing) -> None:
        """A machine is now in another state, or its part is over."""
        self.say(f"{machine}: {standing}")
        row = self._row(machine)
        row.state = standing.state
        if standing.state in (MachineState.FINISHED, MachineState.FAILED, MachineState.TROUBLE):
            row.now, row.left = harmless(standing.detail), ""
        if standing.state is MachineState.FINISHED:
            row.done = row.total = standing.total or row.total

    def settle(self) -> None:
        """Draw what has changed."""
        if self._changed and self._console.is_terminal:
            self._live.update(standings_table(list(self._rows.values()), self._console), refresh=True)
        self._changed = False

    def _row(self, machine: str) -> MachineRow:
        self._changed = True
        return self._rows.setdefault(machine, MachineRow(machine))


def harmless(text: str) -> str:
    """A text that may be a machine's: on one line, without what a terminal would obey, of bounded length."""
    line = re.sub(r"\s*[\t\n\v\f\r]\s*", " ", text.strip())
    return clean_text(line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]} […]")
