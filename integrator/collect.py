"""Bringing results home from the FTP server."""

from __future__ import annotations

import os

from integrator.rejected import Rejection, keep_rejections, reject
from integrator.store import CampaignRecord, CampaignStore, why_not_planned
from protocol.atomic import write_atomically
from protocol.errors import DocumentError
from protocol.layout import CampaignFolder
from protocol.machine import MachineDescription
from protocol.result import Result
from protocol.transfer import TransferClient

__all__ = ["collect"]


def collect(record: CampaignRecord, store: CampaignStore, client: TransferClient) -> int:
    """Fetch what the campaign's machines have pushed and is not here yet; the number of new results.

    What is no result of a planned run, or too large, is not fetched: `rejected.json` says why.

    Raises:
        TransferError: the server could not be reached, or a file did not come whole.
    """
    fetched = 0
    rejected: list[Rejection] = []
    for machine in record.machines:
        fetched += _collect_from(machine, record.campaign, store, client, rejected)
    keep_rejections(store.rejected, "server", rejected)
    return fetched


def _collect_from(
    machine: str,
    campaign: str,
    store: CampaignStore,
    client: TransferClient,
    rejected: list[Rejection],
) -> int:
    folder = CampaignFolder(machine, campaign)
    planned = {(entry.test, entry.run) for entry in store.read_job(machine).schedule}
    fetched = 0
    try:
        if client.digest(folder.machine):
            description = client.read(folder.machine, max_bytes=MachineDescription.max_bytes)
            write_atomically(store.machine_file(machine), description)
    except DocumentError as error:
        rejected.append(reject(machine, folder.machine.name, str(error), "server"))
    for name in client.list(folder.results):
        target = store.result_folder(machine) / name
        if reason := why_not_planned(name, planned):
            rejected.append(reject(machine, name, reason, "server"))
        elif not os.path.lexists(target):
            try:
                data = client.read(folder.results / name, max_bytes=Result.max_bytes)
            except DocumentError as error:
                rejected.append(reject(machine, name, str(error), "server"))
                continue
            write_atomically(target, data)
            fetched += 1
    return fetched
