"""Driving one machine from its first start to its end, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from integrator.conduct.audience import Audience
from integrator.conduct.news import News, Stored
from integrator.conduct.standing import MachineState, Standing
from integrator.conduct.supervise import ABSENT, INTERRUPTED, Do, Halt, Step, Supervisor, View
from integrator.conduct.watch import Watch
from integrator.launch.interface import AgentStatus, Launcher, Order, Presence
from protocol.account import Account
from protocol.errors import (
    DocumentError,
    FleetmarkError,
    LaunchError,
    NewerDocumentError,
    UnreachableError,
)
from protocol.job import Job
from protocol.status import AgentState

__all__ = ["Around", "Driver"]

_WAIT_S = 600.0
_TAKEN = ("has taken it over", "works on it", "works in this folder")
"""How an agent says that another one holds the machine, or has not ended yet."""
_LAST_WORDS = "; its last words:"
_BUSY = {AgentState.PREPARING, AgentState.RUNNING}
_NOBODY = {Presence.ABSENT, Presence.EXITED}
_AT_WORK = {MachineState.RUNNING, MachineState.SILENT}
_SAID_AT_THE_END = {MachineState.FINISHED, MachineState.FAILED}


@dataclass(frozen=True, slots=True)
class Around:
    """What a driver asks about the campaign around its machine."""

    halt: Callable[[], Halt]
    others: Callable[[], bool]
    """Whether other machines are at work."""
    at_work: Callable[[bool], None]
    """Told whether this one is."""
    hears_since: Callable[[], float | None]
    """Since when heartbeats would have arrived; None: the server is away."""
    next_release: Callable[[], str | None]
    """The OpenVINO release that the next run asks for; None: any."""
    has_all: Callable[[], bool]
    """Whether every run has a result on the server."""


class Driver:
    """Has the agent of one machine started, watched, started again, and ended."""

    def __init__(
        self,
        job: Job,
        launcher: Launcher,
        account: Account | None,
        news: News,
        supervisor: Supervisor,
        audience: Audience,
        around: Around,
    ) -> None:
        self._job = job
        self._launcher = launcher
        self._account = account
        self._news = news
        self._supervisor = supervisor
        self._audience = audience
        self._around = around
        self._watch = Watch(job)
        self._status: AgentStatus = ABSENT
        self._waiting = False
        self._ended: tuple[int, AgentStatus] | None = None
        self._said: AgentState | None = None
        self._detail = ""
        self._words = ""
        self._failures = 0
        self._done = 0
        self._shown: MachineState | None = None
        self._complained = False

    def wake(self) -> None:
        """Have it look around."""
        self._news.wake()

    def drive(self) -> str:
        """Carry the job through; why results are missing, or nothing."""
        for stored in self._news.rest():
            self._hear(stored, new=False)
        self._look()
        try:
            while (step := self._supervisor.next(self._view(), time.monotonic())).do is not Do.END:
                self._carry_out(step)
        finally:
            self._around.at_work(False)
            self._leave_nothing()
        for stored in self._news.rest():
            self._hear(stored, new=True)
        self._audience.stand(self._job.machine, self._at_the_end(step.reason))
        return step.reason

    # --- what the supervisor sees

    def _view(self) -> View:
        return View(
            status=self._status,
            said=self._said,
            detail=self._detail,
            words=self._words,
            done=self._done,
            failures=self._failures,
            overdue_s=self._overdue_s(),
            taken=any(words in self._words for words in _TAKEN),
            more=self._said is AgentState.HANDED_OVER,
            halt=self._around.halt(),
            others=self._around.others(),
            deaf=self._around.hears_since() is None,
        )

    def _overdue_s(self) -> float | None:
        """For how long something should have been heard; while the server is away nothing can be."""
        overdue = self._watch.overdue_s()
        since = self._around.hears_since()
        if overdue is None or since is None:
            return overdue if overdue is None else min(overdue, -1.0)
        return min(overdue, time.monotonic() - since - _HEARD_AGAIN_S)

    # --- what it wants done

    def _carry_out(self, step: Step) -> None:
        if step.do is Do.SLEEP:
            self._sleep(step)
        elif step.do is Do.START:
            self._start()
        elif step.do is Do.LOOK:
            self._see(self._launcher.status())
            self._supervisor.looked(time.monotonic(), self._status)
        elif step.do is Do.ASK_TO_STOP:
            with self._saying_what_fails():
                self._launcher.ask_to_stop()
        elif step.do is Do.REMOVE:
            self._remove()

    def _start(self) -> None:
        machine = self._job.machine
        order = Order(
            machine,
            self._job.campaign,
            self._account,
            openvino=self._around.next_release(),
            number=self._supervisor.starts + 1,
        )
        try:
            self._launcher.start(order)
        except UnreachableError as error:
            self._supervisor.not_started(time.monotonic(), str(error), unreachable=True)
        except LaunchError as error:
            self._supervisor.not_started(time.monotonic(), str(error))
        except FleetmarkError as error:
            self._supervisor.not_started(time.monotonic(), _with_advice(error), lasting=True)
        else:
            if self._supervisor.starts:
                self._audience.say(f"{machine}: started again")
            self._said, self._detail, self._words = None, "", ""
            self._supervisor.started(time.monotonic())
            self._see(self._launcher.status())
            self._see_whether_it_has_finished()

    def _see(self, status: AgentStatus) -> None:
        """Take note of how the agent is; where it runs, somebody waits for its end."""
        self._status = status
        if status.state is Presence.EXITED:
            with contextlib.suppress(FleetmarkError):
                self._words = self._launcher.logs()
        if status.state is Presence.RUNNING and not self._waiting:
            self._waiting = True
            run = self._supervisor.starts
            threading.Thread(target=self._wait, args=(run,), name="fleetmark-wait", daemon=True).start()
        self._around.at_work(
            status.state is Presence.RUNNING
            or (status.state is Presence.ELSEWHERE and self._watch.heartbeat is not None)
        )

    def _wait(self, start: int) -> None:
        """In a thread of its own: tell when the agent of this start is no longer running."""
        status = AgentStatus(Presence.RUNNING)
        while status.state is Presence.RUNNING:
            try:
                status = self._launcher.wait(_WAIT_S)
            except FleetmarkError as error:
                status = AgentStatus(Presence.UNKNOWN, detail=str(error))
        self._ended = (start, status)
        self._waiting = False
        self._news.wake()

    def _sleep(self, step: Step) -> None:
        if step.detail:
            self._show_trouble(step.detail)
        now = time.monotonic()
        until = now + _WAIT_S if step.until is None else step.until
        silent = self._watch.silent_in_s()
        if silent is not None:
            until = min(until, now + silent)
        self._hear(self._news.wait(max(0.0, until - now)), new=True)
        ended, self._ended = self._ended, None
        if ended is not None and ended[0] == self._supervisor.starts:
            self._see(ended[1])

    def _remove(self) -> None:
        try:
            self._launcher.remove()
        except FleetmarkError as error:
            self._see(self._launcher.status())
            self._audience.say(f"{self._job.machine}: its agent could not be ended: {error}")
            self._supervisor.not_removed(time.monotonic(), str(error))
        else:
            self._see(ABSENT)
            self._supervisor.removed(time.monotonic())

    def _leave_nothing(self) -> None:
        """No process and no container; an agent that nobody here started is left alone."""
        # Where no start succeeded it was said why; one that went on after all would be ended here.
        begun = self._supervisor.starts > 0
        with self._saying_what_fails() if begun else contextlib.suppress(FleetmarkError):
            if self._status.state is not Presence.ELSEWHERE:
                self._launcher.remove()
        with self._saying_what_fails():
            self._launcher.close()

    @contextlib.contextmanager
    def _saying_what_fails(self) -> Iterator[None]:
        try:
            yield
        except FleetmarkError as error:  # where the machine may not be used it is a mistake of the user's
            self._audience.say(f"{self._job.machine}: {_with_advice(error)}")

    def _see_whether_it_has_finished(self) -> None:
        """One that was started by hand may have, while nobody was here to hear it."""
        heard = self._watch.heartbeat
        finished = heard is not None and heard.state is AgentState.FINISHED
        if self._status.state is Presence.ELSEWHERE and finished and self._around.has_all():
            self._said = AgentState.FINISHED

    # --- what its agent says, and what the audience hears

    def _hear(self, stored: Stored | None, *, new: bool) -> None:
        """Take a heartbeat, or look at the clock. One from before this program began says little."""
        if stored is not None and stored.path == self._watch.path:
            try:
                heartbeat = self._watch.hear(stored)
            except DocumentError as error:
                self._complain(error)
            else:
                self._audience.hear(heartbeat)
                if heartbeat.done > self._done:
                    self._done, self._failures = heartbeat.done, 0
                if new:
                    self._said, self._detail = heartbeat.state, heartbeat.detail
                    self._failures += heartbeat.state is AgentState.FAILED
                    self._around.at_work(heartbeat.state in _BUSY)
        self._look()

    def _complain(self, error: DocumentError) -> None:
        if not self._complained:
            advice = ". Update fleetmark on the integrator." if isinstance(error, NewerDocumentError) else ""
            self._audience.say(f"{self._job.machine}: its heartbeat is not taken: {error}{advice}")
        self._complained = True

    def _look(self) -> None:
        now = self._watch.standing()
        if self._status.state in _NOBODY and now.state in _AT_WORK:
            now = replace(now, state=MachineState.WAITING)  # the heartbeat is that of an earlier agent
            if self._shown is MachineState.TROUBLE:
                return
        if now.state is not self._shown and now.state not in _SAID_AT_THE_END:
            self._show(now)

    def _show(self, standing: Standing) -> None:
        self._shown = standing.state
        self._audience.stand(self._job.machine, standing)

    def _show_trouble(self, detail: str) -> None:
        if self._shown is not MachineState.TROUBLE:
            now = self._watch.standing()
            first = _first_line(detail)
            self._show(replace(now, state=MachineState.TROUBLE, total=self._total(now), detail=first))

    def _at_the_end(self, reason: str) -> Standing:
        now = self._watch.standing()
        now = replace(now, total=self._total(now))
        if not reason:
            done = now.done if now.state is MachineState.FINISHED else now.total
            return replace(now, state=MachineState.FINISHED, done=done, detail="")
        if reason == INTERRUPTED:
            return replace(now, state=MachineState.WAITING)
        return replace(now, state=MachineState.FAILED, detail=_first_line(reason))

    def _total(self, standing: Standing) -> int:
        return standing.total or len(self._job.schedule)


def _first_line(reason: str) -> str:
    return reason.partition("\n")[0].removesuffix(_LAST_WORDS)


def _in_short(trouble: str) -> str:
    """The first line, and what the agent said of why it ended."""
    said = (line.removeprefix(_OF_AGENT) for line in trouble.splitlines() if line.startswith(_OF_AGENT))
    return ": ".join([_first_line(trouble), *list(said)[:1]])


_OF_AGENT = "fleetmark-agent: "
_HEARD_AGAIN_S = 150.0
"""So long after the server was away agents have time to be heard."""


def _with_advice(error: FleetmarkError) -> str:
    return f"{error}; {error.advice}" if error.advice else str(error)
