"""Finding jobs on the server and carrying them out, oldest first."""

from __future__ import annotations

import logging
import select
from datetime import UTC, datetime
from pathlib import Path

from agent.carry_out import JobRunner
from agent.models import ModelCache
from agent.stop import Stop
from protocol.account import Account
from protocol.errors import DocumentError, TransientTransferError
from protocol.job import Job
from protocol.layout import CampaignFolder, machine_folder
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient
from protocol.version import __version__

__all__ = ["poll", "work_through"]

_log = logging.getLogger("fleetmark.agent")


def work_through(account: Account, *, work: Path, models: ModelCache, stop: Stop) -> bool:
    """Carry out every job that has pending runs; whether all of them came to their end.

    Raises:
        TransferError: the server cannot be reached or refuses this account.
    """
    complete = True
    with TransferClient(account) as client:
        for campaign in sorted(client.list(machine_folder(account.user))):
            if stop.is_set():
                return False
            complete &= _take(account.user, campaign, client, work=work, models=models, stop=stop)
    return complete and not stop.is_set()


def poll(account: Account, *, work: Path, models: ModelCache, stop: Stop, every_s: float) -> None:
    """Work through the jobs, again and again until told to stop; a server that is away is waited for."""
    poller = select.poll()
    poller.register(stop.fileno(), select.POLLIN)
    while not stop.is_set():
        try:
            work_through(account, work=work, models=models, stop=stop)
        except TransientTransferError as error:
            _log.warning("%s; trying again in %g s", error, every_s)
        poller.poll(every_s * 1000)


def _take(
    machine: str, campaign: str, client: TransferClient, *, work: Path, models: ModelCache, stop: Stop
) -> bool:
    folder = CampaignFolder(machine, campaign)
    if client.digest(folder.job) is None:
        return True  # a campaign whose job is still to come
    try:
        job = _read_job(machine, campaign, client)
    except DocumentError as error:
        _log.error("%s", error)
        client.write(folder.status, _refusal(machine, campaign, error).to_bytes())
        return False
    runner = JobRunner(job, client, work=work, models=models, stop=stop)
    if not runner.pending():
        return True
    _log.info("campaign %s: %d tests", job.campaign, len(job.tests))
    return runner.run() is AgentState.FINISHED


def _read_job(machine: str, campaign: str, client: TransferClient) -> Job:
    path = CampaignFolder(machine, campaign).job
    job = Job.from_bytes(client.read(path, max_bytes=Job.max_bytes), source=str(path))
    if (job.campaign, job.machine) != (campaign, machine):
        raise DocumentError(f"{path}: is the job of {job.machine} in {job.campaign}")
    return job


def _refusal(machine: str, campaign: str, error: DocumentError) -> Heartbeat:
    return Heartbeat(
        campaign=campaign,
        machine=machine,
        state=AgentState.FAILED,
        detail=" ".join(filter(None, [str(error), error.advice])),
        done=0,
        total=0,
        updated_at=datetime.now(UTC),
        fleetmark_version=__version__,
    )
