"""Keeps where each machine stands for whoever asks from elsewhere, and passes on what it hears."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from integrator.conduct.audience import Audience
from integrator.conduct.standing import MachineState, Standing
from integrator.conduct.state import CampaignState, MachineStanding, StandingDocument, WorkFolder
from protocol.job import Job
from protocol.status import Heartbeat

__all__ = ["Board"]

_OVER = {MachineState.FINISHED, MachineState.FAILED}


class Board:
    """An audience in front of another one.

    It writes when a machine's state changes, and not at each heartbeat: those lie on the server, for whoever
    asks, and this may be the machine that is measured.
    """

    def __init__(
        self, campaign: str, work: WorkFolder, audience: Audience, machines: Collection[str]
    ) -> None:
        self._campaign = campaign
        self._work = work
        self._audience = audience
        waiting = MachineStanding(state=MachineState.WAITING)
        self._machines = dict.fromkeys(machines, waiting)
        self._state = CampaignState.RUNNING
        self._changed = False

    def write(self, state: CampaignState) -> None:
        """Keep how the campaign is, and each machine."""
        self._state, self._changed = state, False
        self._work.write_standing(
            StandingDocument(campaign=self._campaign, state=state, machines=self._machines)
        )

    def expect(self, machines: Collection[str]) -> None:
        """These machines take part."""
        self._audience.expect(machines)

    def say(self, sentence: str) -> None:
        """Something happened."""
        self._audience.say(sentence)

    def start(self, job: Job) -> None:
        """A machine's job begins."""
        standing = Standing(MachineState.WAITING, total=len(job.schedule))
        self._note(job.machine, standing)
        self._audience.start(job)

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""
        self._audience.hear(heartbeat)

    def stand(self, machine: str, standing: Standing) -> None:
        """A machine is now in another state, or its part is over."""
        self._note(machine, standing)
        self._audience.stand(machine, standing)

    def settle(self) -> None:
        """Write what has changed."""
        if self._changed:
            self.write(self._state)
        self._audience.settle()

    def _note(self, machine: str, standing: Standing) -> None:
        before = self._machines[machine]
        if not standing.total:
            standing = replace(standing, total=before.total)
        self._machines[machine] = MachineStanding.of(standing, over=standing.state in _OVER)
        self._changed = True
