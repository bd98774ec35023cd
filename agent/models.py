"""Models on this machine: fetched once, kept by their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from protocol.job import ModelRef
from protocol.layout import model_folder
from protocol.local_part import remove_old_parts
from protocol.transfer import TransferClient

__all__ = ["ModelCache"]


class ModelCache:
    """A folder per model, named by the model's sha256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entry(self, model: ModelRef) -> Path:
        """The file that OpenVINO reads."""
        return self._folder / model.sha256 / model.entry

    def tidy(self) -> None:
        """Remove parts of models that nobody went on with for a day."""
        remove_old_parts(self._folder)

    def fetch(self, model: ModelRef, client: TransferClient) -> Path:
        """Make sure that all files of the model are here and are what the job says; the file to read.

        Raises:
            TransferError: a file cannot be had, or is not what the job says.
            UserError: it cannot be written here.
        """
        for file in model.files:
            target = self._folder / model.sha256 / file.name
            if not _is(target, file.size, file.sha256):
                client.download(
                    model_folder(model.sha256) / file.name, target, sha256=file.sha256, size=file.size
                )
        return self.entry(model)


def _is(path: Path, size: int, sha256: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
