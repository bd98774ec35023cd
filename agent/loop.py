"""Finding jobs on the server and carrying them out, oldest first."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.alive import expect
from agent.attempts import Attempts
from agent.carry_out import JobRunner
from agent.holder import Holder
from agent.lease import SPARE_S, LeaseKeeper, Patience
from agent.leftovers import attempts_folder, tidy
from agent.login import Login
from agent.models import ModelCache
from agent.orphans import reap
from agent.stop import Stop
from protocol.account import Account
from protocol.errors import (
    DocumentError,
    LeaseError,
    LoginRefusedError,
    NewerDocumentError,
    TransferError,
)
from protocol.job import Job
from protocol.layout import CAMPAIGN_ID, CampaignFolder, machine_folder
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient
from protocol.version import __version__

__all__ = ["poll", "work_through"]

_log = logging.getLogger("fleetmark.agent")

_LOOK_AT_FILE_S = 5.0
_REFUSED_S = 600.0
"""A refused password is tried again after this: more often, and the server would ban this address."""


def work_through(
    account: Account,
    *,
    work: Path,
    models: ModelCache,
    stop: Stop,
    wait_s: float = 0.0,
    renew: Callable[[], Account | None] | None = None,
    patience: Patience | None = None,
    campaign: str | None = None,
    hand_over: bool = False,
    spare_s: float = SPARE_S,
) -> AgentState:
    """Carry out every job that has pending runs.

    Another agent that works on this machine is waited for, `wait_s` seconds. `renew` is asked for a newer
    account where this one is refused; `patience` is what earlier calls have seen of another agent. Given a
    `campaign`, the jobs of others are let be. With `hand_over` this ends where the next run asks for another
    release of OpenVINO than is installed here. The machine is held for `spare_s` seconds beyond what is to be
    done.

    Returns:
        FINISHED where all came to their end; HANDED_OVER; STOPPED by `stop`; or FAILED, where a job could not
        be read.

    Raises:
        LeaseError: another agent works on this machine, or has taken it over.
        TransferError: the server cannot be reached or refuses this account.
        UserError: another agent works in the folder `work`.
    """
    failed = False
    with Holder(work) as holder, TransferClient(account, renew=renew) as client:
        tidy(work)
        models.tidy()
        lease = LeaseKeeper(account.user, holder.name, client, spare_s=spare_s, patience=patience)
        agent = _Agent(account.user, client, lease, work, models, stop, wait_s, hand_over)
        try:
            campaigns = sorted(client.list(machine_folder(account.user)))
            Attempts.tidy(attempts_folder(work), campaigns)
            for name in campaigns:
                if not re.fullmatch(CAMPAIGN_ID, name) or campaign not in {None, name}:
                    continue  # the leases lie here too
                if stop.is_set():
                    break
                ended = _take(agent, name)
                if ended is AgentState.HANDED_OVER:
                    return ended
                failed |= ended is AgentState.FAILED
        finally:
            lease.release()
    if stop.is_set():
        return AgentState.STOPPED
    return AgentState.FAILED if failed else AgentState.FINISHED


def poll(
    carry_out: Callable[..., AgentState], login: Login, *, work: Path, stop: Stop, every_s: float
) -> AgentState:
    """Work through the jobs, again and again until told to stop, or until they are handed over.

    A server that is away, or says no, is asked again after `every_s`. An account that is refused waits for
    another one in its file.

    Args:
        carry_out: `work_through`, with what stays the same each time.
        login: The account, read again when its file changes.
        work: The agent's folder.
        stop: Ends the waiting, too.
        every_s: Seconds between two looks at the server.

    Returns:
        STOPPED or HANDED_OVER.
    """
    patience = Patience()
    work.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        expect(work, every_s)
        reap()
        try:
            ended = carry_out(login.account, renew=login.renewed, patience=patience)
        except LoginRefusedError as error:
            _log.error("%s; waiting for a newer account in %s", error, login.path)
            expect(work, _REFUSED_S)
            _wait_for_another(login, stop, every_s)
            continue
        except (LeaseError, TransferError) as error:
            _log.warning("%s; trying again in %g s", error, every_s)
        else:
            if ended is AgentState.HANDED_OVER:
                return ended
        stop.wait(every_s)
    return AgentState.STOPPED


def _wait_for_another(login: Login, stop: Stop, every_s: float) -> None:
    """Until the account file holds another account, or this one may be tried again without harm."""
    until = time.monotonic() + _REFUSED_S
    while not stop.is_set() and time.monotonic() < until:
        stop.wait(min(every_s, _LOOK_AT_FILE_S))
        if login.renewed():
            return


@dataclass(frozen=True, slots=True)
class _Agent:
    machine: str
    client: TransferClient
    lease: LeaseKeeper
    work: Path
    models: ModelCache
    stop: Stop
    wait_s: float
    hand_over: bool


def _take(agent: _Agent, campaign: str) -> AgentState:
    machine, client = agent.machine, agent.client
    folder = CampaignFolder(machine, campaign)
    if client.digest(folder.job) is None:
        return AgentState.FINISHED  # a campaign whose job is still to come
    try:
        job = _read_job(machine, campaign, client)
    except DocumentError as error:
        _log.error("%s", error)
        client.write(folder.status, _refusal(machine, campaign, error).to_bytes())
        return AgentState.FAILED
    runner = JobRunner(
        job,
        client,
        lease=agent.lease,
        work=agent.work,
        models=agent.models,
        stop=agent.stop,
        hand_over=agent.hand_over,
    )
    if not runner.has_work():
        return AgentState.FINISHED
    agent.lease.acquire(agent.lease.preparing_s, stop=agent.stop, wait_s=agent.wait_s)
    _log.info("campaign %s: %d tests", job.campaign, len(job.tests))
    return runner.run()


def _read_job(machine: str, campaign: str, client: TransferClient) -> Job:
    path = CampaignFolder(machine, campaign).job
    job = Job.from_bytes(client.read(path, max_bytes=Job.max_bytes), source=str(path))
    if (job.campaign, job.machine) != (campaign, machine):
        raise DocumentError(f"{path}: is the job of {job.machine} in {job.campaign}")
    return job


def _refusal(machine: str, campaign: str, error: DocumentError) -> Heartbeat:
    newer = isinstance(error, NewerDocumentError)  # whoever reads this may sit at the other side
    return Heartbeat(
        campaign=campaign,
        machine=machine,
        state=AgentState.FAILED,
        detail=f"{error}. Update fleetmark on machine {machine}." if newer else str(error),
        done=0,
        total=0,
        updated_at=datetime.now(UTC),
        fleetmark_version=__version__,
    )
