"""Results on disk until the server has them, across a restart."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from protocol.atomic import write_atomically
from protocol.errors import ContentConflictError, LoginRefusedError, RefusedTransferError, TransferError
from protocol.layout import CampaignFolder, result_name, split_result_name
from protocol.result import Result
from protocol.transfer import TransferClient

__all__ = ["Spool"]

_log = logging.getLogger("fleetmark.agent")


class Spool:
    """The results of one campaign on one machine that the server has not acknowledged yet."""

    def __init__(self, folder: Path, campaign: CampaignFolder) -> None:
        self._folder = folder
        self._campaign = campaign
        self._aside = folder / "refused"
        self._in_memory: dict[str, bytes] = {}
        self._why = ""

    @property
    def unkept(self) -> str:
        """Why results are in memory alone, in the system's words; empty where all are on disk."""
        return self._why if self._in_memory else ""

    def add(self, result: Result) -> None:
        """Keep a result. It is on disk when this returns, or, where the disk does not take it, `unkept`."""
        self._in_memory[result_name(result.test, result.run)] = result.to_gzip()
        self.keep()

    def keep(self) -> bool:
        """Bring to disk what is in memory, as far as that is possible; whether all of it is."""
        for name, data in list(self._in_memory.items()):
            try:
                write_atomically(self._folder / name, data)
            except OSError as error:
                self._why = f"{self._folder}: {error.strerror}"
                return False
            del self._in_memory[name]
        return True

    def names(self) -> list[str]:
        """The file names of what waits, oldest first."""
        files = []
        if self._folder.is_dir():
            files = [path for path in self._folder.iterdir() if split_result_name(path.name)]
        on_disk = sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [*(path.name for path in on_disk), *self._in_memory]

    def refused(self) -> list[str]:
        """The file names of what was put aside, because the server has another result of the same run."""
        return sorted(path.name for path in self._aside.iterdir()) if self._aside.is_dir() else []

    def drain(self, client: TransferClient) -> None:
        """Push what waits; each is let go only when the server has it whole.

        Where the server has another result of the same run, that one stays, and this one is put aside. What
        is refused for another reason waits, and does not hold up what comes after it.

        Raises:
            TransferError: something still waits.
        """
        refusal: RefusedTransferError | None = None
        self.keep()
        for name in self.names():
            path = self._folder / name
            data = self._in_memory[name] if name in self._in_memory else path.read_bytes()
            try:
                client.write(self._campaign.results / name, data, replace=False)
            except ContentConflictError as error:
                if not self._put_aside(name, data):
                    refusal = refusal or error
                    continue
                _log.error("%s; the one from here is kept in %s", error, self._aside)
            except LoginRefusedError:
                raise
            except RefusedTransferError as error:
                refusal = refusal or error
                continue
            if self._in_memory.pop(name, None) is None:
                path.unlink(missing_ok=True)  # what was put aside is there no more
        if refusal is not None:
            raise refusal

    def try_drain(self, client: TransferClient) -> TransferError | None:
        """Push what waits; the error instead of raising it, because measuring goes on meanwhile."""
        try:
            self.drain(client)
        except TransferError as error:
            return error
        return None

    @staticmethod
    def tidy(folder: Path) -> None:
        """Remove what was being written when an agent was killed."""
        if folder.is_dir():
            for path in folder.glob(".*"):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _put_aside(self, name: str, data: bytes) -> bool:
        """Whether it is kept; a full disk has room for another name, and not for another copy."""
        target = self._aside / name
        try:
            self._aside.mkdir(parents=True, exist_ok=True)
            if name in self._in_memory:
                write_atomically(target, data)
            else:
                (self._folder / name).replace(target)
        except OSError as error:
            _log.error("%s: could not be put aside, and waits: %s", target, error.strerror)
            return False
        return True
