"""What to do next with one machine: start, wait, stop, start again, give up. Pure.

Whoever drives the machine asks `Supervisor.next` what to do, does it, and says how it went. Times are seconds
of one monotonic clock; nothing here looks at a clock.

    to start ── START ──▶ started ── its agent left in order ──▶ over
       ▲                    │ │ asked to stop, or removed ─────▶ over, with a reason
       │  after a pause     │ └─ its machine does not answer ─▶ away ── LOOK ─┐
       └── trouble ◀────────┴───────────────────────────────────◀─────────────┘

Trouble is of the infrastructure: a machine or an engine that does not answer, an agent that ended without
having finished, a silence that nobody announced. Each trouble counts until a new result comes; more of them
in a row than `Patience.restarts` end the machine's part, with the last one's words. A test that goes wrong is
no trouble: its result says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

from integrator.launch.interface import AgentStatus, Presence
from integrator.words import duration
from protocol.status import AgentState

__all__ = ["ABSENT", "INTERRUPTED", "Do", "Halt", "Patience", "Step", "Supervisor", "View"]

INTERRUPTED = "the campaign was interrupted before this test was run"
ABSENT = AgentStatus(Presence.ABSENT)


class Halt(IntEnum):
    """Whether the operator wants to stop."""

    NO = 0
    AFTER_RUN = 1
    """Once: what is under way is finished."""
    NOW = 2


class Do(StrEnum):
    """What is to be done next."""

    START = "start"
    """Start an agent; then say `started` or `not_started`."""
    LOOK = "look"
    """Ask for the agent's status; it is in the next view."""
    SLEEP = "sleep"
    """Until there is news, and not beyond `Step.until`."""
    ASK_TO_STOP = "ask to stop"
    REMOVE = "remove"
    """End the agent; then say `removed` or `not_removed`."""
    END = "end"
    """The machine's part is over."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next."""

    do: Do
    until: float | None = None
    """Of a sleep: when to ask again without news; None: never."""
    reason: str = ""
    """Of the end: why results are missing; empty where the job is done."""
    detail: str = ""
    """Of a sleep after trouble: what is waited for, in words."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for."""

    restarts: int = 3
    """Troubles in a row, without a new result, that are put up with."""
    run_timeout_s: float = 300.0
    first_pause_s: float = 5.0
    """After the first trouble; after each further one three times as long."""
    longest_pause_s: float = 60.0
    away_s: float = 900.0
    """A machine that was there and does not answer: it may be restarting."""
    taken_s: float = 1500.0
    """Another agent holds the machine, or a dead one's lease does."""
    silence_s: float = 120.0
    """Beyond the silence that an agent announced, and what is tolerated."""
    first_word_s: float = 900.0
    """From a start to the first heartbeat."""
    ending_s: float = 120.0
    """From an agent's last word to the end of its process, and beyond the run that it may finish."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a machine at one moment."""

    status: AgentStatus = ABSENT
    """As it was seen last."""
    said: AgentState | None = None
    """The last word of the agent that was started last."""
    detail: str = ""
    """... and what it said besides."""
    words: str = ""
    """The end of the log of an agent that has left."""
    done: int = 0
    failures: int = 0
    """How often its agent said that it has failed, since the last new result."""
    overdue_s: float | None = None
    """For how long something should have been heard; negative: it is to be heard in that time."""
    taken: bool = False
    """The agent left because another one holds the machine."""
    more: bool = False
    """Runs are left, for an agent with another release."""
    halt: Halt = Halt.NO
    others: bool = False
    """Other machines are at work."""
    deaf: bool = False
    """The FTP server is away: nobody can be heard, and no agent could begin."""


class _Phase(Enum):
    TO_START = "to start"
    STARTED = "started"
    AWAY = "away"
    OVER = "over"


class _Trouble(Enum):
    UNREACHABLE = "unreachable"
    TAKEN = "taken"
    ENDED = "ended"


class Supervisor:
    """Decides for one machine.

    `deadline` is when its time is up, and `late` says so in words.
    """

    def __init__(
        self, machine: str, patience: Patience, *, deadline: float | None = None, late: str = ""
    ) -> None:
        self._machine = machine
        self._patience = patience
        self._deadline = deadline
        self._late = late
        self._phase = _Phase.TO_START
        self._not_before = float("-inf")
        self._started_at = 0.0
        self._asked_at: float | None = None
        self._finished_at: float | None = None
        self._looked_at = float("-inf")
        self._reached = False
        self._most_done = 0
        self._progressed = False
        """A result came since the last start."""
        self._troubles = 0
        self._since: float | None = None
        """The first trouble of the row."""
        self._kind = _Trouble.ENDED
        self._why = ""
        self._ending: str | None = None
        """Why the agent is being ended, where it is not to be started again."""
        self.starts = 0

    @property
    def troubles(self) -> int:
        """Troubles in a row, without a new result."""
        return self._troubles

    # --- what came of a step

    def started(self, now: float) -> None:
        """An agent was started, or one that runs already was taken over."""
        self._phase, self._started_at, self._reached = _Phase.STARTED, now, True
        self._asked_at = self._finished_at = None
        self._progressed = False
        self._looked_at = now
        self.starts += 1

    def not_started(self, now: float, why: str, *, lasting: bool = False, unreachable: bool = False) -> None:
        """No agent could be started; `lasting`: somebody has to change something first."""
        if lasting:
            self._over(why)
            return
        self._trouble(now, _Trouble.UNREACHABLE if unreachable else _Trouble.ENDED, why)

    def looked(self, now: float, status: AgentStatus) -> None:
        """This is how the agent is; the next view has it too."""
        self._looked_at = now
        if self._phase is _Phase.AWAY:
            if status.state is Presence.UNKNOWN:
                self._trouble(now, _Trouble.UNREACHABLE, status.detail or self._why)
            else:
                self._phase = _Phase.STARTED

    def removed(self, now: float) -> None:  # noqa: ARG002 - one of the answers
        """The agent is gone."""
        if self._ending is not None:
            self._over(self._ending)
        else:
            self._phase = _Phase.TO_START

    def not_removed(self, now: float, why: str) -> None:
        """The agent could not be ended: it may run on."""
        if self._ending is not None:
            self._over(self._ending)
        else:
            self._trouble(now, _Trouble.UNREACHABLE, why)
            self._phase = _Phase.AWAY

    # --- what to do

    def next(self, view: View, now: float) -> Step:
        """What to do at the moment `now`."""
        if view.done > self._most_done:
            self._most_done, self._troubles, self._since = view.done, 0, None
            self._progressed = True
        if self._phase is _Phase.OVER:
            return Step(Do.END, reason=self._ending or "")
        decide = {_Phase.TO_START: self._to_start, _Phase.STARTED: self._started, _Phase.AWAY: self._away}
        return decide[self._phase](view, now)

    def _to_start(self, view: View, now: float) -> Step:
        if reason := self._has_to_stop(view, now):
            return self._over(reason)
        if self._has_had_enough(view, now):
            return self._over(self._given_up())
        if view.deaf:
            return self._sleep(now + self._patience.first_pause_s, detail="the FTP server does not answer")
        return Step(Do.START) if now >= self._not_before else self._pause()

    def _started(self, view: View, now: float) -> Step:
        state = view.status.state
        if state in (Presence.EXITED, Presence.ABSENT):
            return self._left(view, now)
        if state is Presence.ELSEWHERE:
            return self._elsewhere(view, now)
        if reason := self._has_to_stop(view, now):
            return self._stop(view, now, reason)
        if view.said is AgentState.FINISHED and state is Presence.RUNNING:
            return self._finishing(now)
        return self._running(view, now)

    def _running(self, view: View, now: float) -> Step:
        """As far as anybody knows."""
        unknown = view.status.state is Presence.UNKNOWN
        overdue = self._overdue_s(view, now)
        limit = 0.0 if unknown else self._patience.silence_s
        if overdue < 0:
            return self._watch(now, until=now - overdue, late=unknown)
        if overdue < limit:
            return self._watch(now, until=now - overdue + limit, late=True)
        if unknown:
            self._trouble(now, _Trouble.UNREACHABLE, view.status.detail or "it does not answer")
            self._phase = _Phase.AWAY
            return self._away(view, now)
        self._trouble(now, _Trouble.ENDED, f"nothing was heard of its agent for {duration(overdue)} too long")
        if self._has_had_enough(view, now):
            self._ending = self._given_up()
        return Step(Do.REMOVE)

    def _watch(self, now: float, *, until: float, late: bool) -> Step:
        """Sleep; but ask for the agent where something should have been heard, or nobody could be asked."""
        again = self._looked_at + self._patience.longest_pause_s
        if late and now >= again:
            return Step(Do.LOOK)
        return self._sleep(max(now + _LEAST_S, min(until, again) if late else until))

    def _left(self, view: View, now: float) -> Step:
        """The agent is not there any more."""
        self._phase = _Phase.TO_START
        if view.status.state is Presence.EXITED and view.status.exit_code == 0:
            if not view.more:
                return self._over("")
            self._not_before = now
            if not self._progressed:
                self._trouble(now, _Trouble.ENDED, f"its agent has another OpenVINO than {view.detail}")
            return self._to_start(view, now)
        if reason := self._ending or self._has_to_stop(view, now):
            return self._over(reason)
        if not view.deaf:  # without a server no agent can go on for long
            self._trouble(now, _Trouble.TAKEN if view.taken else _Trouble.ENDED, _how_it_left(view))
        return self._to_start(view, now)

    def _elsewhere(self, view: View, now: float) -> Step:
        """Nobody here started it, and nobody here ends it."""
        if view.said is AgentState.FINISHED:
            return self._over("")
        if reason := self._has_to_stop(view, now):
            if view.said is None and view.halt is Halt.NO:
                reason = f"no agent of {self._machine} has asked for its job; {reason}"
            return self._over(reason)
        if view.failures > self._patience.restarts:
            return self._over(f"the agent gave up: {view.detail}")
        return self._sleep(None)

    def _away(self, view: View, now: float) -> Step:
        if view.status.state is not Presence.UNKNOWN:
            self._phase = _Phase.STARTED
            return self._started(view, now)
        self._ending = self._has_to_stop(view, now) or None
        if self._ending is None and self._has_had_enough(view, now):
            self._ending = self._given_up()
        if self._ending is not None:
            return Step(Do.REMOVE)  # it may answer by now
        return Step(Do.LOOK) if now >= self._not_before else self._pause()

    def _finishing(self, now: float) -> Step:
        """Its job is done, and its process about to end."""
        self._finished_at = now if self._finished_at is None else self._finished_at
        latest = self._finished_at + self._patience.ending_s
        if now < latest:
            return self._sleep(latest)
        self._ending = ""
        return Step(Do.REMOVE)

    def _stop(self, view: View, now: float, reason: str) -> Step:
        """Ask the agent to leave; end it where it does not, or at once."""
        at_once = view.halt is Halt.NOW or view.status.state is Presence.UNKNOWN
        if self._asked_at is None and not at_once:
            self._asked_at = now
            return Step(Do.ASK_TO_STOP)
        latest = now if self._asked_at is None else self._asked_at + self._grace_s
        if not at_once and now < latest:
            return Step(Do.SLEEP, until=latest)
        self._ending = reason
        return Step(Do.REMOVE)

    # --- judgements

    @property
    def _grace_s(self) -> float:
        return self._patience.run_timeout_s + self._patience.ending_s

    def _has_to_stop(self, view: View, now: float) -> str:
        """Why, or nothing."""
        if view.halt is not Halt.NO:
            return INTERRUPTED
        return self._late if self._deadline is not None and now >= self._deadline else ""

    def _overdue_s(self, view: View, now: float) -> float:
        """For how long something should have been heard; negative: not yet."""
        unheard = now - self._started_at - self._patience.first_word_s if view.said is None else None
        return min((time for time in (view.overdue_s, unheard) if time is not None), default=float("-inf"))

    def _trouble(self, now: float, kind: _Trouble, why: str) -> None:
        self._since = now if self._since is None else self._since
        self._troubles += 1
        self._kind, self._why = kind, why
        pause = self._patience.first_pause_s * 3.0 ** min(self._troubles - 1, _MOST_STEPS)
        self._not_before = now + min(pause, self._patience.longest_pause_s)

    def _has_had_enough(self, view: View, now: float) -> bool:
        if self._troubles <= self._patience.restarts:
            return False
        lasting = now - (self._since if self._since is not None else now)
        if self._kind is _Trouble.TAKEN:
            return lasting >= self._patience.taken_s
        if self._kind is _Trouble.UNREACHABLE:
            # A machine that is off from the start may come as long as others give it time.
            return not view.others and not (self._reached and lasting < self._patience.away_s)
        return True

    def _given_up(self) -> str:
        times = f"given up after {self._troubles} attempts without a new result: "
        return f"{times if self._troubles > 1 else ''}{self._why}"

    def _pause(self) -> Step:
        return self._sleep(self._not_before, detail=self._why)

    def _sleep(self, until: float | None, *, detail: str = "") -> Step:
        times = [time for time in (until, self._deadline) if time is not None and time != float("inf")]
        return Step(Do.SLEEP, until=min(times, default=None), detail=detail)

    def _over(self, reason: str) -> Step:
        self._phase, self._ending = _Phase.OVER, reason
        return Step(Do.END, reason=reason)


_MOST_STEPS = 20
_LEAST_S = 0.05
"""A sleep is longer than what rounding makes of two times."""


def _how_it_left(view: View) -> str:
    if view.status.state is Presence.ABSENT:
        return view.status.detail or "its agent is gone"
    if view.said is AgentState.FAILED:
        return f"the agent gave up: {view.detail}"
    if view.said is AgentState.STOPPED:
        return "the agent was stopped on its machine"
    how = f" ({view.status.detail})" if view.status.detail else ""
    words = view.words or "(none)"
    return f"the agent ended with code {view.status.exit_code}{how}; its last words:\n{words}"
