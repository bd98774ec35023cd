"""Collecting what is there of a campaign at any moment, whoever conducts it, and whether anybody does."""

from __future__ import annotations

from pathlib import Path

from ftp_server.private_folder import PrivateFolder
from integrator.collect import ServerFolder, collect
from integrator.conduct.state import WorkFolder
from integrator.config import Lab, load_lab
from integrator.store import CampaignRecord, CampaignStore
from protocol.account import Account
from protocol.errors import UserError
from protocol.transfer import TransferClient

__all__ = ["embedded_files", "gather", "gather_here", "lab_of"]


def gather(store: CampaignStore, *, lab_file: Path | None = None) -> int:
    """Fetch what has come back and is not here yet; the number of new results.

    It comes from the folder of the server inside the integrator, or from the lab's own server.

    Raises:
        UserError: no campaign lies here, or its lab.yaml is gone.
        TransferError: the lab's server could not be reached.
    """
    record = store.read_record()
    lab = lab_of(store, lab_file)
    if lab is None or lab.server.account is None:
        return gather_here(store, record)
    with TransferClient(Account.read(lab.server.account)) as client:
        return collect(record, store, client)


def gather_here(store: CampaignStore, record: CampaignRecord) -> int:
    """As `gather`, but only from this computer: nothing where the server is the lab's own."""
    files = embedded_files(store)
    return collect(record, store, ServerFolder(files)) if files is not None else 0


def embedded_files(store: CampaignStore) -> Path | None:
    """What agents see as / on the server inside the integrator; None: there is none, or no more."""
    files = PrivateFolder(WorkFolder(store.work).server).files
    return files if files.is_dir() else None


def lab_of(store: CampaignStore, lab_file: Path | None = None) -> Lab | None:
    """The lab of a campaign; None: every machine is this one.

    Raises:
        UserError: lab.yaml is gone.
        ConfigurationError: it has mistakes.
    """
    undertaking = WorkFolder(store.work).read_undertaking()
    path = lab_file or (Path(undertaking.lab_file) if undertaking and undertaking.lab_file else None)
    if path is None:
        return None
    if not path.is_file():
        raise UserError(f"{path}: the lab of this campaign is gone", advice="Name it with --lab FILE.")
    return load_lab(path)
