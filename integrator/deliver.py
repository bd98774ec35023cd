"""Putting a plan on the FTP server: every model once, then every job."""

from __future__ import annotations

from integrator.models import PreparedModel
from integrator.plan import Plan
from protocol.layout import CampaignFolder, model_folder
from protocol.transfer import TransferClient

__all__ = ["deliver"]


def deliver(plan: Plan, client: TransferClient) -> None:
    """Put the models on the server, those that are not there yet, and then the jobs.

    A job comes last, so that an agent that finds it finds everything that it needs.

    Raises:
        TransferError: something did not get across; no job is there then.
    """
    for model in plan.models:
        _deliver_model(model, client)
    for job in plan.jobs:
        folder = CampaignFolder(job.machine, job.campaign)
        client.make_folder(folder.results)
        client.write(folder.job, job.to_bytes())


def _deliver_model(model: PreparedModel, client: TransferClient) -> None:
    folder = model_folder(model.ref.sha256)
    client.make_folder(folder)
    for file in model.ref.files:
        client.upload(model.folder / file.name, folder / file.name, sha256=file.sha256)
