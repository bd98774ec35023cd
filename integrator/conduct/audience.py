"""Whoever wants to know how a campaign goes, and the way there from the threads that drive machines."""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection
from typing import Protocol

from integrator.conduct.standing import Standing
from protocol.job import Job
from protocol.status import Heartbeat

__all__ = ["Audience", "Relay", "Silence"]


class Audience(Protocol):
    """Whoever wants to know how a campaign goes. It is told in one thread."""

    def expect(self, machines: Collection[str]) -> None:
        """These machines take part."""

    def say(self, sentence: str) -> None:
        """Something happened."""

    def start(self, job: Job) -> None:
        """A machine's job begins."""

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""

    def stand(self, machine: str, standing: Standing) -> None:
        """A machine is now in another state, or its part is over."""

    def settle(self) -> None:
        """There is nothing more to be told for the moment: time to draw."""


class Silence:
    """An audience that says nothing."""

    def expect(self, machines: Collection[str]) -> None:
        """Nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def start(self, job: Job) -> None:
        """Nothing."""

    def hear(self, heartbeat: Heartbeat) -> None:
        """Nothing."""

    def stand(self, machine: str, standing: Standing) -> None:
        """Nothing."""

    def settle(self) -> None:
        """Nothing."""


class Relay:
    """Takes what is to be told from any thread, and tells it in the one that calls `pass_on`."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def expect(self, machines: Collection[str]) -> None:
        """These machines take part."""
        self._queue.put(lambda: self._audience.expect(machines))

    def say(self, sentence: str) -> None:
        """Something happened. May be called by a handler of signals."""
        self._queue.put(lambda: self._audience.say(sentence))

    def start(self, job: Job) -> None:
        """A machine's job begins."""
        self._queue.put(lambda: self._audience.start(job))

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""
        self._queue.put(lambda: self._audience.hear(heartbeat))

    def stand(self, machine: str, standing: Standing) -> None:
        """A machine is now in another state, or its part is over."""
        self._queue.put(lambda: self._audience.stand(machine, standing))

    def settle(self) -> None:
        """Wake whoever passes on."""
        self._queue.put(lambda: None)

    def pass_on(self, until: Callable[[], bool]) -> None:
        """Tell what there is to tell, and sleep in between, until `until` says so and all is told."""
        while True:
            over = until()  # asked first, so that what was told before the end is told on
            if over and self._queue.empty():
                self._audience.settle()
                return
            self._queue.get()()
            while not self._queue.empty():
                self._queue.get()()
            self._audience.settle()
