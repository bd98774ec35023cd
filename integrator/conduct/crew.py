"""All machines of a campaign at once, a thread for each; those that share hardware one after another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from integrator.conduct.audience import Relay
from integrator.conduct.deadlines import Deadlines
from integrator.conduct.drive import Around, Driver
from integrator.conduct.interrupts import Interrupts
from integrator.conduct.serving import Serving
from integrator.conduct.standing import MachineState, Standing
from integrator.conduct.supervise import INTERRUPTED, Halt, Patience, Supervisor
from integrator.launch.interface import Launcher
from integrator.schedule import next_release
from protocol.job import AUTO, Job
from protocol.layout import CampaignFolder, split_result_name

__all__ = ["Crew"]

_log = logging.getLogger("fleetmark.integrator")

_TOLD = {
    1: "Interrupted: each machine finishes the run under way. Once more to stop now.",
    2: "Stopping now",
}


class Crew:
    """Drives machines to the end of their jobs."""

    def __init__(
        self,
        turns: Sequence[Sequence[Job]],
        launchers: Mapping[str, Callable[[], Launcher]],
        serving: Serving,
        relay: Relay,
        *,
        deadlines: Deadlines,
        patience: Patience,
    ) -> None:
        self._turns = turns
        """Jobs side by side; those in one turn one after another."""
        self._launchers = launchers
        self._serving = serving
        self._relay = relay
        self._deadlines = deadlines
        self._patience = patience
        self._halt = Halt.NO
        self._at_work: set[str] = set()
        self._driven: dict[str, Driver] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._going = 0
        self.reasons: dict[str, str] = {job.machine: INTERRUPTED for turn in turns for job in turn}
        """By machine, why results are missing; empty where its job is done."""

    def work(self, interrupts: Interrupts) -> bool:
        """Drive all machines; whether nobody interrupted it."""
        self._going = len(self._turns)
        for number, turn in enumerate(self._turns):
            name = f"fleetmark-machine-{number}"
            self._threads.append(
                threading.Thread(target=self._take_turns, args=(turn,), name=name, daemon=True)
            )
        with interrupts.told(self._interrupt):
            for thread in self._threads:
                thread.start()
            try:
                self._relay.pass_on(lambda: self._going == 0)
            except BaseException:
                self.halt(Halt.NOW)
                raise
        for thread in self._threads:
            thread.join()
        return self._halt is Halt.NO

    def halt(self, how: Halt) -> None:
        """Have all machines stop. From any thread, and from a handler of signals: it takes no lock."""
        self._halt = how
        for driver in list(self._driven.values()):
            driver.wake()

    def _interrupt(self, times: int) -> None:
        self._relay.say(_TOLD[times])
        self.halt(Halt(times))

    def _take_turns(self, turn: Sequence[Job]) -> None:
        try:
            for job in turn:
                self.reasons[job.machine] = self._drive(job)
        finally:
            with self._lock:
                self._going -= 1
            self._relay.settle()

    def _drive(self, job: Job) -> str:
        if self._halt is not Halt.NO:
            self._relay.stand(job.machine, Standing(MachineState.WAITING, total=len(job.schedule)))
            return INTERRUPTED
        self._relay.start(job)
        try:
            return self._driver(job).drive()
        except Exception as error:
            # A mistake of ours over one machine is not the end of the others.
            _log.exception("machine %s", job.machine)
            reason = f"fleetmark failed over this machine: {type(error).__name__}: {error}"
            self._relay.stand(job.machine, Standing(MachineState.FAILED, detail=reason))
            return reason
        finally:
            self._is_at_work(job.machine, at_work=False)

    def _driver(self, job: Job) -> Driver:
        machine = job.machine
        deadline = self._deadlines.of_machine(time.monotonic())
        patience = replace(self._patience, run_timeout_s=job.limits.run_timeout_s)
        supervisor = Supervisor(machine, patience, deadline=deadline.at, late=deadline.words)
        around = Around(
            halt=lambda: self._halt,
            others=lambda: bool(self._at_work - {machine}),
            at_work=lambda at_work: self._is_at_work(machine, at_work=at_work),
            hears_since=self._serving.hears_since,
            next_release=lambda: self._next_release(job),
            has_all=lambda: len(self._ended(job)) >= len(job.schedule),
        )
        driver = Driver(
            job,
            self._launchers[machine](),
            self._serving.account(machine),
            self._serving.subscribe(machine, job.campaign),
            supervisor,
            self._relay,
            around,
        )
        self._driven[machine] = driver
        return driver

    def _is_at_work(self, machine: str, *, at_work: bool) -> None:
        with self._lock:
            before = machine in self._at_work
            (self._at_work.add if at_work else self._at_work.discard)(machine)
        if before and not at_work:
            for driver in list(self._driven.values()):
                driver.wake()  # one may have waited only as long as others work

    def _next_release(self, job: Job) -> str | None:
        if all(test.openvino == AUTO for test in job.tests):
            return None
        return next_release(job, self._ended(job))

    def _ended(self, job: Job) -> set[tuple[str, int]]:
        """The runs that have a result on the server."""
        folder = CampaignFolder(job.machine, job.campaign).results
        with self._serving.client() as client:
            return {name for name in map(split_result_name, client.list(folder)) if name}
