"""Results on disk until the server has them, across a restart."""

from __future__ import annotations

from pathlib import Path

from protocol.atomic import write_atomically
from protocol.errors import TransferError
from protocol.layout import CampaignFolder, result_name, split_result_name
from protocol.result import Result
from protocol.transfer import TransferClient

__all__ = ["Spool"]


class Spool:
    """The results of one campaign on one machine that the server has not acknowledged yet."""

    def __init__(self, folder: Path, campaign: CampaignFolder) -> None:
        self._folder = folder
        self._campaign = campaign

    def add(self, result: Result) -> None:
        """Keep a result; it is on disk when this returns."""
        write_atomically(self._folder / result_name(result.test, result.run), result.to_gzip())

    def names(self) -> list[str]:
        """The file names of what waits, oldest first."""
        if not self._folder.is_dir():
            return []
        files = [path for path in self._folder.iterdir() if split_result_name(path.name)]
        return [path.name for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    def drain(self, client: TransferClient) -> None:
        """Push what waits; each is let go only when the server has it whole.

        Raises:
            TransferError: it, and what comes after it, still waits.
        """
        for name in self.names():
            path = self._folder / name
            client.write(self._campaign.results / name, path.read_bytes(), replace=False)
            path.unlink()

    def try_drain(self, client: TransferClient) -> TransferError | None:
        """Push what waits; the error instead of raising it, because measuring goes on meanwhile."""
        try:
            self.drain(client)
        except TransferError as error:
            return error
        return None
