"""A campaign from its plan to its results: serve, deliver, start, watch, collect."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Protocol

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.collect import collect
from integrator.deliver import deliver
from integrator.launch.local import LocalAgent
from integrator.plan import Plan
from integrator.standing import MachineState
from integrator.store import CampaignRecord, CampaignStore
from integrator.watch import Watch
from integrator.words import counted
from protocol.job import Job
from protocol.status import Heartbeat
from protocol.transfer import TransferClient

__all__ = ["Audience", "conduct"]

_LOOK_EVERY_S = 0.5
_STOP_TIMEOUT_S = 30.0


class Audience(Protocol):
    """Whoever wants to know how a campaign goes."""

    def say(self, sentence: str) -> None:
        """Something happened."""

    def start(self, job: Job) -> None:
        """A machine's job begins."""

    def hear(self, heartbeat: Heartbeat) -> None:
        """An agent said something new."""


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
    interrupted = False
    with (
        FtpServer(store.work / "server") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as client,
    ):
        try:
            what = f"{counted(len(plan.models), 'model')} and {counted(len(plan.jobs), 'job')}"
            audience.say(f"Sending {what} to the FTP server")
            deliver(plan, client)
            for job in plan.jobs:
                absent[job.machine] = _run_agent(job, server, client, store, audience, cache=cache)
        except KeyboardInterrupt:
            interrupted = True
            audience.say("Interrupted; collecting what was measured")
            left = dict.fromkeys(record.machines, "the campaign was interrupted before this test was run")
            absent = left | {machine: why for machine, why in absent.items() if not why}
        collect(record, store, client)
    if not interrupted and not any(absent.values()):
        shutil.rmtree(store.work / "server", ignore_errors=True)  # everything on it is here now
    store.write_record(record.model_copy(update={"absent": {m: why for m, why in absent.items() if why}}))
    return not interrupted


def _run_agent(
    job: Job,
    server: FtpServer,
    client: TransferClient,
    store: CampaignStore,
    audience: Audience,
    *,
    cache: Path,
) -> str:
    """Start an agent and watch it to its end; why results are missing, or nothing."""
    audience.start(job)
    watch = Watch(job, client)
    account = server.add_account(job.machine, Role.MACHINE)
    before = MachineState.WAITING
    agent = LocalAgent(account, store.work / "agents" / job.machine, cache=cache)
    try:
        while (exit_code := agent.exit_code()) is None:
            if heartbeat := watch.listen():
                audience.hear(heartbeat)
            now = watch.standing()
            if now.state is not before and MachineState.SILENT in (now.state, before):
                audience.say(f"{job.machine}: {now}")
            before = now.state
            time.sleep(_LOOK_EVERY_S)
    except BaseException:
        agent.ask_to_stop()
        raise
    finally:
        agent.wait(_STOP_TIMEOUT_S)
    if heartbeat := watch.listen():  # what it said last, before it left
        audience.hear(heartbeat)
    if (now := watch.standing()).state is not MachineState.FINISHED:
        audience.say(f"{job.machine}: {now}")
    return watch.ending(exit_code, agent.last_words())
