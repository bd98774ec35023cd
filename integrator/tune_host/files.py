"""Where settings are read from: the files below a root, or what was read of them on another machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

__all__ = ["DiskFiles", "Files", "ToldFiles"]


class Files(Protocol):
    """Small text files by their paths without the leading slash."""

    def text(self, path: str) -> str | None:
        """The text without white space around it; None where the file is not there or cannot be read."""

    def find(self, pattern: str) -> list[str]:
        """Paths that match, cpu2 before cpu10. No `*` matches a slash."""


class DiskFiles:
    """The files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def text(self, path: str) -> str | None:
        """See `Files`."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def find(self, pattern: str) -> list[str]:
        """See `Files`."""
        return sorted((p.relative_to(self.root).as_posix() for p in self.root.glob(pattern)), key=_by_number)


class ToldFiles:
    """What another machine told of its files."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def text(self, path: str) -> str | None:
        """See `Files`."""
        text = self.texts.get(path)
        return None if text is None else text.strip()

    def find(self, pattern: str) -> list[str]:
        """See `Files`."""
        depth = pattern.count("/")
        return sorted(
            (path for path in self.texts if path.count("/") == depth and fnmatchcase(path, pattern)),
            key=_by_number,
        )


def _by_number(path: str) -> list[tuple[int, str]]:
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", path)]
