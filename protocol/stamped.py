"""A transfer client that also asks when the server's clock says a file was written."""

from __future__ import annotations

import ftplib
from datetime import UTC, datetime
from pathlib import PurePosixPath

from protocol.transfer import TransferClient

__all__ = ["StampedClient"]


class StampedClient(TransferClient):
    """A connection to the FTP server, with the times of its files.

    Times of two files are compared with each other and never with a clock of this machine.
    """

    def modified(self, path: PurePosixPath) -> datetime | None:
        """When a file was last written, in whole seconds of the server's clock, or None without a file."""
        with self._operation("looked at", path) as connection:
            try:
                reply = connection.sendcmd(f"MDTM {path}")
            except ftplib.error_perm as error:
                if str(error).startswith("550"):
                    return None
                raise
            try:
                # A server may add a fraction of a second.
                return datetime.strptime(reply[4:18], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            except ValueError as error:
                raise OSError(f"MDTM answered {reply}") from error
