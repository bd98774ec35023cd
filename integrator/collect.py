"""Bringing results home from the FTP server."""

from __future__ import annotations

from integrator.store import CampaignRecord, CampaignStore
from protocol.atomic import write_atomically
from protocol.layout import CampaignFolder, split_result_name
from protocol.machine import MachineDescription
from protocol.result import Result
from protocol.transfer import TransferClient

__all__ = ["collect"]


def collect(record: CampaignRecord, store: CampaignStore, client: TransferClient) -> int:
    """Fetch what the campaign's machines have pushed and is not here yet; the number of new results.

    Raises:
        TransferError: the server could not be reached, or a file did not come whole.
    """
    fetched = 0
    for machine in record.machines:
        folder = CampaignFolder(machine, record.campaign)
        if client.digest(folder.machine):
            description = client.read(folder.machine, max_bytes=MachineDescription.max_bytes)
            write_atomically(store.machine_file(machine), description)
        for name in client.list(folder.results):
            target = store.result_folder(machine) / name
            if split_result_name(name) and not target.exists():
                write_atomically(target, client.read(folder.results / name, max_bytes=Result.max_bytes))
                fetched += 1
    return fetched
