"""What lies under data/ when everything is written: sizes, and the hash of each file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SUMS", "File", "files_in", "sums"]

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class File:
    """One file."""

    path: str
    """From the folder."""
    size: int
    """In bytes."""


def files_in(folder: Path) -> tuple[File, ...]:
    """All files below a folder, in the order of their paths."""
    return tuple(sorted(_found(folder, ""), key=lambda file: file.path))


def _found(folder: Path, prefix: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _found(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield File(prefix + entry.name, entry.stat(follow_symlinks=False).st_size)


def sums(folder: Path) -> bytes:
    """A list of all files of a folder that `sha256sum -c` takes there.

    No name needs to be escaped: each is of characters that are safe in a path.
    """
    known: dict[tuple[int, int], str] = {}  # a file with two names is read once
    lines = []
    for file in files_in(folder):
        if file.path != SUMS:
            with (folder / file.path).open("rb") as stream:
                found = os.fstat(stream.fileno())
                same = found.st_dev, found.st_ino
                if same not in known:
                    known[same] = hashlib.file_digest(stream, "sha256").hexdigest()
            lines.append(f"{known[same]}  {file.path}\n")
    return "".join(lines).encode()
