"""A campaign from its plan to its results: serve, deliver, drive the machines, collect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from integrator.collect import collect
from integrator.conduct.audience import Audience, Relay
from integrator.conduct.board import Board
from integrator.conduct.crew import Crew
from integrator.conduct.deadlines import Deadlines
from integrator.conduct.interrupts import Interrupts
from integrator.conduct.places import turns
from integrator.conduct.serving import EmbeddedServer, LabServer, Serving
from integrator.conduct.standing import MachineState, Standing
from integrator.conduct.state import CampaignState, Undertaking, WorkFolder
from integrator.conduct.supervise import INTERRUPTED, Patience
from integrator.config import Lab
from integrator.config.lab import LabMachine
from integrator.config.server import ServerSection
from integrator.deliver import deliver, deliver_results
from integrator.launch.choose import choose_launcher
from integrator.launch.interface import Launcher
from integrator.launch.local import LocalLauncher
from integrator.launch.logins import Passwords
from integrator.plan import Plan
from integrator.store import CampaignRecord, CampaignStore
from integrator.words import counted
from protocol.job import Job
from protocol.transfer import TransferClient

__all__ = ["Audience", "Setting", "conduct", "go_on"]

_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a campaign takes place."""

    cache: Path
    """Where local agents keep models from one campaign to the next."""
    lab: Lab | None = None
    """None: every machine is this one, and the server is inside the integrator."""
    lab_file: Path | None = None
    launchers: Mapping[str, Callable[[], Launcher]] | None = None
    """How the agents are started; None: as the lab says."""
    patience: Patience = _PATIENCE


def conduct(
    plan: Plan, store: CampaignStore, audience: Audience, setting: Setting, *, replace: bool = False
) -> bool:
    """Carry out a plan; whether it was carried out to its end.

    Machines work side by side, those that are this computer one after another. Ctrl-C lets them finish the
    runs under way, a second one ends them; what was measured is collected all the same.

    Args:
        plan: What to do.
        store: Where it is kept; an earlier campaign there gives way with `replace`.
        audience: Who hears how it goes.
        setting: Where it takes place.
        replace: Whether a campaign that lies in the store's folder may be deleted.

    Raises:
        UserError: the store's folder holds something else, or a campaign that is not to be replaced; the
            server cannot be had.
        TransferError: the server could not be reached.
    """
    record = CampaignRecord(
        campaign=plan.campaign,
        title=plan.title,
        lab=plan.lab,
        created_at=plan.created_at,
        machines=tuple(job.machine for job in plan.jobs),
        tasks=dict(plan.tasks),
        offers=dict(plan.offers),
    )
    store.check_room(replace=replace)
    work = WorkFolder(store.work)
    with work.held():
        store.make_room(replace=replace)
        work.write_undertaking(_undertaking(plan, setting))
        store.write_plan(record, plan.jobs)
        return _Campaign(plan, record, store, work, audience, setting).carry_out(fresh=True)


def go_on(
    plan: Plan, record: CampaignRecord, store: CampaignStore, audience: Audience, setting: Setting
) -> bool:
    """Carry out what is missing of a campaign that lies in the store's folder; as `conduct`.

    The lock of the folder has to be held.
    """
    return _Campaign(plan, record, store, WorkFolder(store.work), audience, setting).carry_out(fresh=False)


def _undertaking(plan: Plan, setting: Setting) -> Undertaking:
    limits = plan.limits
    times = (limits.machine_deadline, limits.campaign_deadline)
    machine_s, campaign_s = (time.total_seconds() if time else None for time in times)
    return Undertaking(
        campaign=plan.campaign,
        lab_file=str(setting.lab_file.resolve()) if setting.lab_file else None,
        models={model.ref.sha256: str(model.folder.resolve()) for model in plan.models},
        machine_deadline_s=machine_s,
        campaign_deadline_s=campaign_s,
        restarts=limits.restarts,
    )


class _Campaign:
    def __init__(
        self,
        plan: Plan,
        record: CampaignRecord,
        store: CampaignStore,
        work: WorkFolder,
        audience: Audience,
        setting: Setting,
    ) -> None:
        self._plan = plan
        self._record = record
        self._store = store
        self._work = work
        self._setting = setting
        self._board = Board(plan.campaign, work, audience, record.machines)
        self._relay = Relay(self._board)
        self._passwords = Passwords()

    def carry_out(self, *, fresh: bool) -> bool:
        """Have it done; a `fresh` campaign has nothing to show yet."""
        absent: dict[str, str] = {}
        complete = False
        with Interrupts() as interrupts, self._serving() as serving, serving.client() as client:
            self._board.write(CampaignState.RUNNING)
            self._board.expect(self._record.machines)
            self._store.write_record(self._record.model_copy(update={"absent": {}}))
            try:
                jobs = self._deliver(client, fresh=fresh)
                crew = self._crew(jobs, serving)
                absent = crew.reasons
                complete = crew.work(interrupts)
            except KeyboardInterrupt:
                absent = absent or dict.fromkeys(self._record.machines, INTERRUPTED)
            finally:
                # What is known is kept, also where the server is away now: nothing of it is lost.
                absent = {machine: why for machine, why in absent.items() if why}
                self._store.write_record(self._record.model_copy(update={"absent": absent}))
                self._board.write(CampaignState.ENDED if complete else CampaignState.INTERRUPTED)
            if not complete:
                self._board.say("Interrupted; collecting what was measured")
            collect(self._record, self._store, client)
        if complete and not absent:
            serving.forget()
        return complete

    def _deliver(self, client: TransferClient, *, fresh: bool) -> tuple[Job, ...]:
        """Put on the server what is missing there; the jobs of machines that have something left to do."""
        jobs = self._plan.jobs
        what = f"{counted(len(self._plan.models), 'model')} and {counted(len(jobs), 'job')}"
        self._board.say(f"Sending {what} to the FTP server")
        deliver(self._plan, client)
        if fresh:
            return jobs
        done = {job.machine: deliver_results(job, self._store, client) for job in jobs}
        left = tuple(job for job in jobs if done[job.machine] < len(job.schedule))
        for job in jobs:
            if job not in left:
                count = len(job.schedule)
                self._board.stand(job.machine, Standing(MachineState.FINISHED, count, count))
        return left

    def _crew(self, jobs: Sequence[Job], serving: Serving) -> Crew:
        limits = self._plan.limits
        by_name = {job.machine: job for job in jobs}
        return Crew(
            [[by_name[machine] for machine in group] for group in self._turns(by_name)],
            {job.machine: self._launcher(job.machine) for job in jobs},
            serving,
            self._relay,
            deadlines=Deadlines.of(limits, time.monotonic()),
            patience=replace(self._setting.patience, restarts=limits.restarts),
        )

    def _serving(self) -> Serving:
        machines, lab = self._record.machines, self._setting.lab
        section = lab.server if lab else ServerSection()
        if section.account is not None:
            accounts = {machine.name: machine.account for machine in lab.machines} if lab else {}
            ours = {name: accounts.get(name) for name in machines}
            return LabServer(section.account, ours, say=self._relay.say)
        movable = all(self._is_here(machine) for machine in machines)
        return EmbeddedServer(self._work.server, machines, section, movable=movable)

    def _turns(self, machines: Iterable[str]) -> list[list[str]]:
        if self._setting.launchers is not None:
            return [[machine] for machine in machines]
        lab = self._setting.lab
        return turns(machines, {entry.name: entry for entry in lab.machines} if lab else {})

    def _is_here(self, machine: str) -> bool:
        """Whether the machine's agent is a process of this one, and ends with it."""
        entry = self._entry(machine)
        return self._setting.launchers is None and (entry is None or entry.start == "local")

    def _launcher(self, machine: str) -> Callable[[], Launcher]:
        if self._setting.launchers is not None:
            return self._setting.launchers[machine]
        work, cache, entry = self._work.agents / machine, self._setting.cache, self._entry(machine)
        if entry is None:
            return lambda: LocalLauncher(work, cache=cache)
        return lambda: choose_launcher(entry, work=work, cache=cache, passwords=self._passwords)

    def _entry(self, machine: str) -> LabMachine | None:
        lab = self._setting.lab
        return next((entry for entry in lab.machines if entry.name == machine), None) if lab else None
