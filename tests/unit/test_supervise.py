"""One machine's way through a campaign: by hand, and against a world in which anything may happen."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrator.conduct.supervise import (
    ABSENT,
    INTERRUPTED,
    Do,
    Halt,
    Patience,
    Step,
    Supervisor,
    View,
)
from integrator.launch.interface import AgentStatus, Presence
from protocol.status import AgentState

PATIENCE = Patience(restarts=2, run_timeout_s=100, first_pause_s=5, longest_pause_s=60)
RUNNING = AgentStatus(Presence.RUNNING)
GONE = AgentStatus(Presence.UNKNOWN, detail="no route to host")
ELSEWHERE = AgentStatus(Presence.ELSEWHERE)
WELL = View(RUNNING, AgentState.RUNNING, overdue_s=-50)
QUIET = View(RUNNING, AgentState.RUNNING, overdue_s=1000)


def exited(code: int) -> AgentStatus:
    return AgentStatus(Presence.EXITED, code)


def started(*, deadline: float | None = None, patience: Patience = PATIENCE) -> Supervisor:
    supervisor = Supervisor("box", patience, deadline=deadline, late="its time (10 s) is up")
    assert supervisor.next(View(), 0) == Step(Do.START)
    supervisor.started(0)
    return supervisor


class TestAnAgentThatWorks:
    def test_is_started_slept_for_and_done(self) -> None:
        supervisor = started()
        assert supervisor.next(WELL, 1) == Step(Do.SLEEP, until=51)
        assert supervisor.next(View(exited(0), AgentState.FINISHED, done=5), 60) == Step(Do.END)
        assert supervisor.next(View(exited(0)), 61) == Step(Do.END)

    def test_may_leave_without_a_word_when_there_was_nothing_to_do(self) -> None:
        assert started().next(View(exited(0)), 1) == Step(Do.END)

    def test_hands_over_to_one_of_another_release(self) -> None:
        supervisor = started()
        assert supervisor.next(View(exited(0), AgentState.HANDED_OVER, done=5, more=True), 9).do is Do.START
        supervisor.started(9)
        assert supervisor.troubles == 0
        assert supervisor.next(View(exited(0), AgentState.FINISHED, done=9), 20) == Step(Do.END)

    def test_that_hands_over_without_having_begun_has_the_wrong_release(self) -> None:
        supervisor = started(patience=replace(PATIENCE, restarts=0))
        left = View(exited(0), AgentState.HANDED_OVER, "2025.4", more=True)
        reason = "its agent has another OpenVINO than 2025.4"
        assert supervisor.next(left, 9) == Step(Do.END, reason=reason)

    def test_that_has_finished_and_does_not_leave_is_ended(self) -> None:
        supervisor = started()
        said = View(RUNNING, AgentState.FINISHED, done=5)
        assert supervisor.next(said, 10) == Step(Do.SLEEP, until=130)
        assert supervisor.next(said, 130) == Step(Do.REMOVE)
        supervisor.removed(131)
        assert supervisor.next(View(), 131) == Step(Do.END)


class TestTrouble:
    def test_is_met_with_growing_pauses_and_then_given_up(self) -> None:
        supervisor = started()
        now = 0.0
        for pause in (5.0, 15.0):
            step = supervisor.next(View(exited(-9), AgentState.RUNNING, words="bye"), now)
            assert (step.do, step.until) == (Do.SLEEP, now + pause)
            assert "ended with code -9" in step.detail
            now += pause
            assert supervisor.next(View(exited(-9)), now) == Step(Do.START)
            supervisor.started(now)
        step = supervisor.next(View(exited(-9), words="bye"), now)
        assert step.do is Do.END
        assert step.reason == (
            "given up after 3 attempts without a new result: the agent ended with code -9; "
            "its last words:\nbye"
        )

    def test_counts_anew_after_a_result(self) -> None:
        supervisor = started(patience=replace(PATIENCE, restarts=1))
        now = 0.0
        for done in range(1, 20):
            assert supervisor.next(View(exited(1), done=done), now).do is Do.SLEEP
            now += 5
            assert supervisor.next(View(exited(1), done=done), now).do is Do.START
            supervisor.started(now)

    def test_that_somebody_has_to_mend_ends_it_at_once(self) -> None:
        supervisor = Supervisor("box", PATIENCE)
        assert supervisor.next(View(), 0) == Step(Do.START)
        supervisor.not_started(0, "no such image", lasting=True)
        assert supervisor.next(View(), 0) == Step(Do.END, reason="no such image")

    @pytest.mark.parametrize(
        ("said", "detail", "words"),
        [
            (AgentState.FAILED, "the disk is full", "the agent gave up: the disk is full"),
            (AgentState.STOPPED, "", "the agent was stopped on its machine"),
            (None, "", "the agent ended with code 1; its last words:\n(none)"),
        ],
    )
    def test_is_told_in_the_agents_words_where_there_are_some(
        self, said: AgentState | None, detail: str, words: str
    ) -> None:
        supervisor = started(patience=replace(PATIENCE, restarts=0))
        assert supervisor.next(View(exited(1), said, detail), 1) == Step(Do.END, reason=words)

    def test_an_agent_that_is_silent_for_too_long_is_replaced(self) -> None:
        supervisor = started()
        assert supervisor.next(replace(QUIET, overdue_s=1), 200) == Step(Do.LOOK)
        supervisor.looked(200, RUNNING)
        assert supervisor.next(replace(QUIET, overdue_s=1), 200) == Step(Do.SLEEP, until=260)
        assert supervisor.next(replace(QUIET, overdue_s=120), 319) == Step(Do.REMOVE)
        supervisor.removed(320)
        assert supervisor.next(View(), 325) == Step(Do.START)

    def test_an_agent_that_never_says_anything_is_replaced(self) -> None:
        supervisor = started()
        assert supervisor.next(View(RUNNING), 1) == Step(Do.SLEEP, until=900)
        assert supervisor.next(View(RUNNING), 1020) == Step(Do.REMOVE)

    def test_another_agents_lease_is_waited_for(self) -> None:
        supervisor = started()
        now = 0.0
        starts = 0
        while (step := supervisor.next(View(exited(1), taken=True), now)).do is not Do.END:
            if step.do is Do.START:
                starts += 1
                supervisor.started(now)
            else:
                assert step.until is not None
                now = step.until
        assert now >= PATIENCE.taken_s
        assert starts > PATIENCE.restarts


class TestAMachineThatDoesNotAnswer:
    def test_from_the_start_is_asked_as_long_as_others_work(self) -> None:
        supervisor = Supervisor("box", PATIENCE)
        now = 0.0
        for _ in range(50):
            assert supervisor.next(View(others=True), now) == Step(Do.START)
            supervisor.not_started(now, "no route to host", unreachable=True)
            step = supervisor.next(View(others=True), now)
            assert step.do is Do.SLEEP
            assert step.until is not None
            assert step.until - now <= PATIENCE.longest_pause_s
            now = step.until
        end = supervisor.next(View(others=False), now)
        assert end.do is Do.END
        assert end.reason == "given up after 50 attempts without a new result: no route to host"

    def test_that_is_heard_all_the_same_is_well(self) -> None:
        supervisor = started()
        view = replace(WELL, status=GONE)
        assert supervisor.next(view, 1) == Step(Do.SLEEP, until=51)
        assert supervisor.next(view, 61) == Step(Do.LOOK)
        supervisor.looked(61, GONE)
        assert supervisor.next(view, 61) == Step(Do.SLEEP, until=111)
        assert supervisor.troubles == 0

    def test_that_comes_back_with_its_agent_goes_on(self) -> None:
        supervisor = started()
        assert supervisor.next(replace(QUIET, status=GONE), 500).do is Do.SLEEP
        assert supervisor.next(replace(QUIET, status=GONE), 505) == Step(Do.LOOK)
        supervisor.looked(505, GONE)
        assert supervisor.next(replace(QUIET, status=GONE), 505) == Step(
            Do.SLEEP, until=520, detail="no route to host"
        )
        assert supervisor.next(replace(QUIET, status=GONE), 520) == Step(Do.LOOK)
        supervisor.looked(520, RUNNING)
        assert supervisor.next(WELL, 520) == Step(Do.SLEEP, until=570)

    def test_that_comes_back_without_its_agent_gets_another(self) -> None:
        supervisor = started()
        supervisor.next(replace(QUIET, status=GONE), 500)
        assert supervisor.next(replace(QUIET, status=GONE), 505) == Step(Do.LOOK)
        supervisor.looked(505, exited(137))
        step = supervisor.next(replace(QUIET, status=exited(137)), 505)
        assert step.do is Do.SLEEP
        assert step.until is not None
        assert supervisor.next(replace(QUIET, status=exited(137)), step.until) == Step(Do.START)

    def test_that_was_there_gets_time_to_start_again_even_alone(self) -> None:
        supervisor = started()
        view = replace(QUIET, status=GONE)
        now = 0.0
        while (step := supervisor.next(view, now)).do is not Do.END:
            if step.do is Do.LOOK:
                supervisor.looked(now, GONE)
            elif step.do is Do.REMOVE:
                supervisor.not_removed(now, "no route to host")
            else:
                assert step.until is not None
                now = step.until
        assert now >= PATIENCE.away_s
        assert step.reason.endswith("no route to host")


class TestAnAgentThatWasStartedByHand:
    def test_is_waited_for_without_end(self) -> None:
        supervisor = started()
        assert supervisor.next(View(ELSEWHERE), 1e6) == Step(Do.SLEEP)
        assert supervisor.next(View(ELSEWHERE, AgentState.STOPPED, overdue_s=1e6), 1e6) == Step(Do.SLEEP)
        assert supervisor.next(View(ELSEWHERE, AgentState.FINISHED), 1e6) == Step(Do.END)

    def test_that_never_came_is_said_so(self) -> None:
        supervisor = started(deadline=10)
        assert supervisor.next(View(ELSEWHERE), 1) == Step(Do.SLEEP, until=10)
        assert supervisor.next(View(ELSEWHERE), 10) == Step(
            Do.END, reason="no agent of box has asked for its job; its time (10 s) is up"
        )

    def test_that_fails_again_and_again_is_given_up(self) -> None:
        supervisor = started()
        failed = View(ELSEWHERE, AgentState.FAILED, "update fleetmark", failures=2)
        assert supervisor.next(failed, 1).do is Do.SLEEP
        step = supervisor.next(replace(failed, failures=3), 2)
        assert step == Step(Do.END, reason="the agent gave up: update fleetmark")


class TestStopping:
    def test_once_lets_the_run_end(self) -> None:
        supervisor = started()
        view = replace(WELL, halt=Halt.AFTER_RUN)
        assert supervisor.next(view, 1) == Step(Do.ASK_TO_STOP)
        assert supervisor.next(view, 2) == Step(Do.SLEEP, until=221)
        left = View(exited(130), AgentState.STOPPED, halt=Halt.AFTER_RUN)
        assert supervisor.next(left, 50) == Step(Do.END, reason=INTERRUPTED)

    def test_twice_ends_it_now(self) -> None:
        supervisor = started()
        assert supervisor.next(replace(WELL, halt=Halt.AFTER_RUN), 1) == Step(Do.ASK_TO_STOP)
        assert supervisor.next(replace(WELL, halt=Halt.NOW), 2) == Step(Do.REMOVE)
        supervisor.removed(3)
        assert supervisor.next(View(halt=Halt.NOW), 3) == Step(Do.END, reason=INTERRUPTED)

    def test_ends_who_does_not_leave(self) -> None:
        supervisor = started()
        view = replace(WELL, halt=Halt.AFTER_RUN)
        supervisor.next(view, 1)
        assert supervisor.next(view, 221) == Step(Do.REMOVE)

    def test_starts_nothing(self) -> None:
        supervisor = Supervisor("box", PATIENCE)
        assert supervisor.next(View(halt=Halt.AFTER_RUN), 0) == Step(Do.END, reason=INTERRUPTED)

    def test_who_finished_meanwhile_has_finished(self) -> None:
        supervisor = started()
        supervisor.next(replace(WELL, halt=Halt.AFTER_RUN), 1)
        assert supervisor.next(View(exited(0), AgentState.FINISHED, halt=Halt.AFTER_RUN), 2) == Step(Do.END)

    def test_the_deadline_does_the_same(self) -> None:
        supervisor = started(deadline=10)
        assert supervisor.next(WELL, 1) == Step(Do.SLEEP, until=10)
        assert supervisor.next(WELL, 10) == Step(Do.ASK_TO_STOP)
        left = View(exited(130), AgentState.STOPPED)
        assert supervisor.next(left, 12) == Step(Do.END, reason="its time (10 s) is up")

    def test_who_cannot_be_asked_is_not_waited_for(self) -> None:
        supervisor = started()
        assert supervisor.next(replace(WELL, status=GONE, halt=Halt.AFTER_RUN), 5) == Step(Do.REMOVE)
        supervisor.not_removed(6, "no route to host")
        assert supervisor.next(replace(WELL, status=GONE), 6) == Step(Do.END, reason=INTERRUPTED)


@dataclass
class World:
    """A machine, its engine and its agent; what happens to them is drawn."""

    luck: random.Random
    trouble: float
    total: int = 6
    now: float = 0.0
    done: int = 0
    alive: bool = False
    reachable: bool = True
    code: int | None = None
    said: AgentState | None = None
    said_at: float = 0.0
    asked: bool = False
    starts: int = 0
    ends: int = 0
    halt: Halt = Halt.NO
    others: bool = False
    seen: AgentStatus = field(default=ABSENT)

    def status(self) -> AgentStatus:
        if not self.reachable:
            return GONE
        if self.alive:
            return RUNNING
        return exited(self.code) if self.code is not None else ABSENT

    def view(self) -> View:
        overdue = None
        if self.said in (AgentState.RUNNING, AgentState.PREPARING):
            overdue = self.now - self.said_at - 150
        return View(
            self.seen, self.said, done=self.done, overdue_s=overdue, halt=self.halt, others=self.others
        )

    def die(self, code: int) -> None:
        if self.alive:
            self.alive, self.code = False, code
            self.ends += 1

    def pass_time(self, seconds: float) -> None:
        """What happens meanwhile."""
        self.now += seconds
        self.others = self.others and self.luck.random() > 0.05
        if self.luck.random() < self.trouble:
            self.luck.choice([self._cut, self._kill, self._hang])()
        elif self.luck.random() < 0.3:
            self.reachable = True
        if self.alive and self.reachable and self.said is not None:
            self.done = min(self.total, self.done + self.luck.randrange(3))
            self.said_at = self.now
            if self.done == self.total:
                self.said = AgentState.FINISHED
                self.die(0)
            elif self.asked:
                self.said = AgentState.STOPPED
                self.die(130)
        if self.luck.random() < 0.7:  # whoever waits for the agent's end tells of it, sooner or later
            self.seen = self.status()

    def _cut(self) -> None:
        self.reachable = False

    def _kill(self) -> None:
        self.die(-9)

    def _hang(self) -> None:
        self.said = AgentState.RUNNING if self.said is None else self.said
        self.said_at = self.now - 1000

    def do(self, step: Step, supervisor: Supervisor) -> None:
        if step.do is Do.START:
            assert self.starts == self.ends, "a second agent while the first one runs"
            if not self.reachable:
                supervisor.not_started(self.now, "no route to host", unreachable=True)
                return
            self.starts += 1
            self.alive, self.code, self.said, self.asked = True, None, None, False
            if not self.trouble or self.luck.random() < 0.9:
                self.said, self.said_at = AgentState.RUNNING, self.now
            self.seen = RUNNING
            supervisor.started(self.now)
        elif step.do is Do.LOOK:
            self.seen = self.status()
            supervisor.looked(self.now, self.seen)
        elif step.do is Do.ASK_TO_STOP:
            self.asked = self.reachable
        elif step.do is Do.REMOVE:
            if self.reachable:
                self.die(-9)
                self.code, self.seen = None, ABSENT
                supervisor.removed(self.now)
            else:
                self.seen = GONE
                supervisor.not_removed(self.now, "no route to host")


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    trouble=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    restarts=st.integers(0, 4),
    deadline=st.sampled_from([None, 300.0, 5000.0]),
    others=st.booleans(),
    halt_after=st.sampled_from([None, 3, 10]),
)
def test_never_two_agents_always_an_end_and_a_reason(
    seed: int, trouble: float, restarts: int, deadline: float | None, others: bool, halt_after: int | None
) -> None:
    world = World(random.Random(seed), trouble, others=others)
    patience = replace(PATIENCE, restarts=restarts)
    supervisor = Supervisor("box", patience, deadline=deadline, late="its time is up")
    for count in range(5000):
        if halt_after is not None and count >= halt_after:
            world.halt = Halt.NOW if count >= 2 * halt_after else Halt.AFTER_RUN
        step = supervisor.next(world.view(), world.now)
        if step.do is Do.END:
            break
        if step.do is not Do.SLEEP:
            world.do(step, supervisor)
            continue
        assert step.until is None or step.until > world.now, "a sleep that ends before it begins"
        most = 500.0 if step.until is None else step.until - world.now
        world.pass_time(min(most, world.luck.uniform(0.1, 400)))
    else:
        pytest.fail("it never ends")
    assert supervisor.next(world.view(), world.now) == step
    finished = world.done == world.total
    assert bool(step.reason) or finished, "ended without a result and without a reason"
    if step.reason:
        causes = ("its time is up", INTERRUPTED, "no route", "code", "silent", "heard", "stopped", "gone")
        assert any(cause in step.reason for cause in causes), step.reason
    if world.reachable:
        assert not world.alive or not step.reason or world.seen is GONE
    if not trouble and deadline is None and halt_after is None:
        assert (finished, step.reason, world.starts) == (True, "", 1)
