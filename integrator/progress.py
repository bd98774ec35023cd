"""How a campaign goes, live: a bar in a terminal, lines in a log. All on standard error."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from integrator.conduct.standing import Standing
from integrator.plan import estimate_s
from integrator.site.cells import clean_text
from integrator.words import counted, duration
from protocol.job import Job
from protocol.status import Heartbeat

__all__ = ["LiveProgress"]


_MOST_CHARS = 1000


class LiveProgress:
    """Shows a campaign's progress; a context manager.

    It draws when there is something new and never in between: this may be the machine that is measured.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.fields[machine]}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            TextColumn("{task.fields[now]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._job: Job | None = None
        self._begin = 0.0
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, sentence: str) -> None:
        """A line of its own, whatever a machine has put into it."""
        self._console.print(Text(_harmless(sentence)), soft_wrap=True)

    def start(self, job: Job) -> None:
        """A machine's job begins."""
        self._job, self._first = job, None
        about = duration(estimate_s(job))
        work = f"{counted(len(job.tests), 'test')}, {counted(len(job.schedule), 'run')}"
        self.say(f"{job.machine}: {work}, at most about {about}")
        self._task = self._bar.add_task(
            "",
            machine=job.machine,
            total=len(job.schedule),
            left=f"at most about {about} left",
            now="starting",
        )
        self._bar.refresh()

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""
        left = self._left(heartbeat)
        now = _harmless(heartbeat.detail) or str(heartbeat.state)
        if heartbeat.test:
            now = f"{heartbeat.test} run {(heartbeat.run or 0) + 1}"
        if self._task is not None:
            self._bar.update(self._task, completed=heartbeat.done, left=left, now=now, refresh=True)
        if not self._console.is_terminal:
            failed = f"  {heartbeat.failed} failed" if heartbeat.failed else ""
            count = f"[{heartbeat.done:>{len(str(heartbeat.total))}}/{heartbeat.total}]"
            self.say(f"{count} {heartbeat.machine}  {now}{failed}  {left}")

    def stand(self, machine: str, standing: Standing) -> None:
        """A machine is now in another state, or the campaign is over."""
        self.say(f"{machine}: {standing}")

    def _left(self, heartbeat: Heartbeat) -> str:
        """Time left: from the pace so far, or from the plan while there is none."""
        if self._job is None or heartbeat.done >= heartbeat.total:
            return ""
        if self._first is None:
            if heartbeat.test:
                self._first = (time.monotonic(), heartbeat.done)
            return f"at most about {duration(estimate_s(self._job))} left"
        begin, done = self._first
        runs = heartbeat.done - done
        pace = (time.monotonic() - begin) / runs if runs else estimate_s(self._job) / len(self._job.schedule)
        return f"about {duration(pace * (heartbeat.total - heartbeat.done))} left"


def _harmless(text: str) -> str:
    """A text that may be a machine's: on one line, without what a terminal would obey, of bounded length."""
    line = re.sub(r"\s*[\t\n\v\f\r]\s*", " ", text.strip())
    return clean_text(line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]} […]")
