"""Bringing results home from the FTP server."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Protocol

from integrator.rejected import Rejections, keep_rejections
from integrator.store import CampaignRecord, CampaignStore, bytes_of, planned_names, why_not_planned
from protocol.atomic import write_atomically
from protocol.errors import DocumentError, RefusedTransferError, TransientTransferError
from protocol.layout import CampaignFolder
from protocol.machine import MachineDescription
from protocol.result import Result
from protocol.transfer import Digest, final_name

__all__ = ["ServerFolder", "Source", "collect"]


class Source(Protocol):
    """Where results lie: a server, or the folder of one that is not asked."""

    def list(self, path: PurePosixPath) -> list[str]:
        """The names in a folder; none where it is not there."""

    def digest(self, path: PurePosixPath) -> Digest | None:
        """Size and hash of a file; None where it is not there."""

    def read(self, path: PurePosixPath, *, max_bytes: int) -> bytes:
        """The content of a file."""


class ServerFolder:
    """The files of a server inside the integrator, taken from its folder, whether it runs or not."""

    def __init__(self, files: Path) -> None:
        self._files = files

    def list(self, path: PurePosixPath) -> list[str]:
        """The names in a folder, without unfinished uploads; none where it is not there."""
        try:
            names = [entry.name for entry in self._disk(path).iterdir()]
        except OSError:
            return []
        return sorted(name for name in names if not final_name(name))

    def digest(self, path: PurePosixPath) -> Digest | None:
        """Size and hash of a file; None where it is not there."""
        if not os.path.lexists(self._disk(path)):
            return None
        return Digest.of(bytes_of(self._disk(path), Result.max_bytes))

    def read(self, path: PurePosixPath, *, max_bytes: int) -> bytes:
        """The content of a file.

        Raises:
            DocumentError: it is a link, too large, or cannot be read.
        """
        return bytes_of(self._disk(path), max_bytes)

    def _disk(self, path: PurePosixPath) -> Path:
        return self._files / path.relative_to("/")


def collect(record: CampaignRecord, store: CampaignStore, client: Source) -> int:
    """Fetch what the campaign's machines have pushed and is not here yet; the number of new results.

    What is no result of a planned run, is too large or cannot be fetched is left where it is: `rejected.json`
    says why, and the rest is fetched.

    Raises:
        TransferError: the server could not be reached.
    """
    rejected = Rejections("server")
    fetched = 0
    for machine in record.machines:
        fetched += _Collector(machine, record.campaign, store, client, rejected).collect()
    keep_rejections(store.rejected, rejected)
    return fetched


class _Collector:
    """Fetches the files of one machine."""

    def __init__(
        self,
        machine: str,
        campaign: str,
        store: CampaignStore,
        client: Source,
        rejected: Rejections,
    ) -> None:
        self._machine = machine
        self._folder = CampaignFolder(machine, campaign)
        self._store = store
        self._client = client
        self._rejected = rejected

    def collect(self) -> int:
        """The number of new results."""
        described = self._take(
            self._folder.machine,
            self._store.machine_file(self._machine),
            limit=MachineDescription.max_bytes,
            again=True,
        )
        names = self._names()
        if not names and not described:
            return 0  # it was never there: its job, which may be large, need not be read
        planned = planned_names(self._store.read_job(self._machine))
        for name in sorted(names - planned):
            self._rejected.add(self._machine, name, why_not_planned(name, planned))
        # A link is not listed, and refused when it is asked for.
        return sum(
            self._take(
                self._folder.results / name,
                self._store.result_folder(self._machine) / name,
                limit=Result.max_bytes,
            )
            for name in sorted(planned)
        )

    def _names(self) -> set[str]:
        try:
            return set(self._client.list(self._folder.results))
        except (RefusedTransferError, TransientTransferError) as error:
            self._note(self._folder.results, error)
            return set()

    def _take(self, path: PurePosixPath, target: Path, *, limit: int, again: bool = False) -> bool:
        """Fetch a file that is not here yet, or `again` and in place of the one that is; whether it came."""
        try:
            there = self._client.digest(path)
            if there is None:
                return False
            if not again and os.path.lexists(target):
                _see_that_it_is_the_same(target, limit, there)
                return False
            data = self._client.read(path, max_bytes=limit)
        except (DocumentError, RefusedTransferError, TransientTransferError) as error:
            self._note(path, error)
            return False
        write_atomically(target, data)
        return True

    def _note(
        self, path: PurePosixPath, error: DocumentError | RefusedTransferError | TransientTransferError
    ) -> None:
        if isinstance(error, TransientTransferError):
            self._client.digest(self._folder.job)  # raises where it is the server, and not this file
        self._rejected.add(self._machine, path.name, error)


def _see_that_it_is_the_same(target: Path, limit: int, there: Digest) -> None:
    if Digest.of(bytes_of(target, limit)) != there:
        raise DocumentError("has another content than the one that was collected, which stays")
