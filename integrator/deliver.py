"""Putting a plan on the FTP server: every model once, then every job."""

from __future__ import annotations

from integrator.models import PreparedModel
from integrator.plan import Plan
from protocol.layout import (
    CampaignFolder,
    lease_file,
    machine_folder,
    model_folder,
    renewal_file,
    split_lease_name,
)
from protocol.transfer import TransferClient

__all__ = ["deliver", "remove_old_terms"]


def deliver(plan: Plan, client: TransferClient) -> None:
    """Put the models on the server, those that are not there yet, and then the jobs.

    A job comes last, so that an agent that finds it finds everything that it needs. What leases of earlier
    agents are left in a machine's folder is removed: an agent leaves one each time, and may delete nothing.

    Raises:
        TransferError: something did not get across; no job is there then.
    """
    for model in plan.models:
        _deliver_model(model, client)
    for job in plan.jobs:
        folder = CampaignFolder(job.machine, job.campaign)
        client.make_folder(folder.results)
        remove_old_terms(job.machine, client)
        client.write(folder.job, job.to_bytes())


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
        client.upload(model.folder / file.name, folder / file.name, sha256=file.sha256)
