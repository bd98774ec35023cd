"""A campaign from its plan to its results: serve, deliver, start, watch, collect."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Protocol

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.collect import collect
from integrator.conduct.news import News, Stored
from integrator.conduct.standing import MachineState, Standing
from integrator.conduct.watch import Watch
from integrator.deliver import deliver
from integrator.launch.local import LocalAgent
from integrator.plan import Plan
from integrator.store import CampaignRecord, CampaignStore
from integrator.words import counted
from protocol.errors import DocumentError, NewerDocumentError
from protocol.job import Job
from protocol.status import Heartbeat
from protocol.transfer import TransferClient

__all__ = ["Audience", "conduct"]

_STOP_TIMEOUT_S = 30.0
_SAID_AT_THE_END = {MachineState.FINISHED, MachineState.FAILED}


class Audience(Protocol):
    """Whoever wants to know how a campaign goes."""

    def say(self, sentence: str) -> None:
        """Something happened."""

    def start(self, job: Job) -> None:
        """A machine's job begins."""

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""

    def stand(self, machine: str, standing: Standing) -> None:
        """A machine is now in another state, or the campaign is over."""


def conduct(
    plan: Plan, store: CampaignStore, audience: Audience, *, cache: Path, replace: bool = False
) -> bool:
    """Carry out a plan on this machine; whether it was carried out to its end.

    The FTPS server runs in this process on a free port of the loopback interface; each agent is a process
    that knows nothing but its account. Agents run one after another, because they share the hardware that
    they measure. Ctrl-C stops the agent; what was measured is collected all the same.

    Args:
        plan: What to do.
        store: Where it is kept; an earlier campaign there gives way with `replace`.
        audience: Who hears how it goes.
        cache: Where the agents keep models from one campaign to the next.
        replace: Whether a campaign that lies in the store's folder may be deleted.

    Raises:
        UserError: the store's folder holds something else, or a campaign that is not to be replaced.
        TransferError: the embedded server could not be reached.
    """
    record = CampaignRecord(
        campaign=plan.campaign,
        title=plan.title,
        lab=plan.lab,
        created_at=plan.created_at,
        machines=tuple(job.machine for job in plan.jobs),
    )
    store.make_room(replace=replace)
    store.write_plan(record, plan.jobs)
    absent: dict[str, str] = {}
    standings = dict.fromkeys(record.machines, Standing(MachineState.WAITING))
    interrupted = False
    news = News(store.work / "server")
    with (
        FtpServer(store.work / "server", on_stored=news.stored) as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as client,
    ):
        try:
            what = f"{counted(len(plan.models), 'model')} and {counted(len(plan.jobs), 'job')}"
            audience.say(f"Sending {what} to the FTP server")
            deliver(plan, client)
            for job in plan.jobs:
                absent[job.machine] = _run_agent(job, server, news, store, audience, standings, cache=cache)
        except KeyboardInterrupt:
            interrupted = True
            audience.say("Interrupted; collecting what was measured")
            left = dict.fromkeys(record.machines, "the campaign was interrupted before this test was run")
            absent = left | {machine: why for machine, why in absent.items() if not why}
        collect(record, store, client)
    for machine, standing in standings.items():
        audience.stand(machine, standing)
    if not interrupted and not any(absent.values()):
        shutil.rmtree(store.work / "server", ignore_errors=True)  # everything on it is here now
    store.write_record(record.model_copy(update={"absent": {m: why for m, why in absent.items() if why}}))
    return not interrupted


def _run_agent(
    job: Job,
    server: FtpServer,
    news: News,
    store: CampaignStore,
    audience: Audience,
    standings: dict[str, Standing],
    *,
    cache: Path,
) -> str:
    """Start an agent and watch it to its end; why results are missing, or nothing."""
    audience.start(job)
    ear = _Ear(job, audience)
    account = server.add_account(job.machine, Role.MACHINE)
    agent = LocalAgent(account, store.work / "agents" / job.machine, cache=cache)
    threading.Thread(target=_wake_after, args=(agent, news), daemon=True).start()
    try:
        while agent.exit_code() is None:
            ear.hear(news.wait(ear.watch.silent_in_s()))
    except BaseException:
        agent.ask_to_stop()
        raise
    finally:
        agent.wait(_STOP_TIMEOUT_S)
        for stored in news.rest():
            ear.hear(stored)
        exit_code = agent.exit_code() or 0
        standings[job.machine] = ear.watch.standing_without(exit_code)
    return ear.watch.ending(exit_code, agent.last_words())


def _wake_after(agent: LocalAgent, news: News) -> None:
    agent.wait_for_end()
    news.wake()


class _Ear:
    """Tells the audience what is new of one machine."""

    def __init__(self, job: Job, audience: Audience) -> None:
        self.watch = Watch(job)
        self._machine = job.machine
        self._audience = audience
        self._before: MachineState | None = None
        self._complained = False
        self._look()

    def hear(self, stored: Stored | None) -> None:
        """Take a heartbeat, or look at the clock."""
        if stored is not None and stored.path == self.watch.path:
            try:
                self._audience.hear(self.watch.hear(stored))
            except DocumentError as error:
                if not self._complained:
                    newer = isinstance(error, NewerDocumentError)
                    advice = ". Update fleetmark on the integrator." if newer else ""
                    self._audience.say(f"{self._machine}: its heartbeat is not taken: {error}{advice}")
                self._complained = True
        self._look()

    def _look(self) -> None:
        now = self.watch.standing()
        if now.state is not self._before and now.state not in _SAID_AT_THE_END:
            self._audience.stand(self._machine, now)
        self._before = now.state
