"""Putting a plan on the FTP server: every model once, then every job."""

from __future__ import annotations

from pathlib import PurePosixPath

from integrator.models import PreparedModel
from integrator.plan import Plan
from integrator.store import CampaignStore, bytes_of, planned_names
from protocol.errors import UserError
from protocol.job import Job
from protocol.layout import (
    CampaignFolder,
    lease_file,
    machine_folder,
    model_folder,
    renewal_file,
    split_lease_name,
)
from protocol.result import Result
from protocol.transfer import Digest, TransferClient

__all__ = ["deliver", "deliver_results", "remove_old_terms"]


def deliver(plan: Plan, client: TransferClient) -> None:
    """Put the models on the server, those that are not there yet, and then the jobs.

    A job comes last, so that an agent that finds it finds everything that it needs. What leases of earlier
    agents are left in a machine's folder is removed: an agent leaves one each time, and may delete nothing.

    Raises:
        TransferError: something did not get across; no job is there then that was not there before.
        UserError: a model that the server does not have is not here either.
    """
    for model in plan.models:
        _deliver_model(model, client)
    for job in plan.jobs:
        folder = CampaignFolder(job.machine, job.campaign)
        client.make_folder(folder.results)
        remove_old_terms(job.machine, client)
        client.write(folder.job, job.to_bytes())


def deliver_results(job: Job, store: CampaignStore, client: TransferClient) -> int:
    """Put those results back on the server that are here and not there, so that no agent repeats them.

    Returns:
        How many runs have a result now.

    Raises:
        TransferError: something did not get across.
    """
    folder = CampaignFolder(job.machine, job.campaign)
    planned = planned_names(job)
    there = set(client.list(folder.results)) & planned
    here = store.result_folder(job.machine)
    if here.is_dir() and not here.is_symlink():
        for name in sorted(planned - there):
            if (here / name).is_file():
                client.write(folder.results / name, bytes_of(here / name, Result.max_bytes), replace=False)
                there.add(name)
    return len(there)


def remove_old_terms(machine: str, client: TransferClient) -> None:
    """Remove all terms of a machine's lease but the newest, which says who holds it and which comes next.

    The oldest first: an agent that was cut off for long knows by that that it has lost the machine.

    Raises:
        TransferError: the server could not be reached.
    """
    found = map(split_lease_name, client.list(machine_folder(machine)))
    for term in sorted({name[0] for name in found if name})[:-1]:
        client.remove(lease_file(machine, term))
        client.remove(renewal_file(machine, term))


def _deliver_model(model: PreparedModel, client: TransferClient) -> None:
    folder = model_folder(model.ref.sha256)
    client.make_folder(folder)
    for file in model.ref.files:
        source, target = model.folder / file.name, folder / file.name
        if source.is_file():
            client.upload(source, target, sha256=file.sha256)
        elif not _is_there(client, target, Digest(file.size, file.sha256)):
            raise UserError(
                f"{model.ref.name}: the server does not have {file.name}, and {source} is gone",
                advice="`fleetmark plan` with the lab and the campaign makes the models again; then go on.",
            )


def _is_there(client: TransferClient, path: PurePosixPath, wanted: Digest) -> bool:
    return client.digest(path) == wanted
