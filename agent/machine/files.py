"""The files below a root: of this machine, or of a recorded one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

__all__ = ["Facts", "Tree", "UnreadableError", "parse_cpus"]

_T = TypeVar("_T")
_REASON_LIMIT = 2000


class UnreadableError(Exception):
    """A fact cannot be had; the message says why, without the root's own path."""


class Tree:
    """Files by their paths without the leading slash."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def text(self, path: str) -> str:
        """The file's text without white space around it, and without the zero that ends device-tree texts.

        Raises:
            UnreadableError: there is no such file, it may not be read, or it is empty.
        """
        try:
            text = (self.root / path).read_text(errors="replace").strip("\0 \n\t")
        except OSError as error:
            raise UnreadableError(f"/{path}: {error.strerror}") from error
        if not text:
            raise UnreadableError(f"/{path} is empty")
        return text

    def number(self, path: str) -> int:
        """The file's whole number.

        Raises:
            UnreadableError: as for `text`, or it holds something else.
        """
        text = self.text(path)
        try:
            return int(text)
        except ValueError:
            raise UnreadableError(f"/{path} holds no whole number") from None

    def find(self, pattern: str) -> list[str]:
        """Paths that match, cpu2 before cpu10."""
        found = [path.relative_to(self.root).as_posix() for path in self.root.glob(pattern)]
        return sorted(
            found, key=lambda path: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", path)]
        )

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return (self.root / path).exists()

    def link(self, path: str) -> str:
        """The last part of where a link points.

        Raises:
            UnreadableError: there is no such link.
        """
        try:
            return (self.root / path).readlink().name
        except OSError as error:
            raise UnreadableError(f"/{path}: {error.strerror}") from error


@dataclass
class Facts:
    """Collects facts, and of each one that cannot be had the reason."""

    unknown: dict[str, str] = field(default_factory=dict)

    def get(self, name: str, read: Callable[[], _T]) -> _T | None:
        """What `read` returns, or None and a reason."""
        try:
            return read()
        except (UnreadableError, OSError, ValueError, LookupError, RuntimeError) as error:
            self.unknown[name] = str(error)[:_REASON_LIMIT] or type(error).__name__
            return None


def parse_cpus(text: str) -> tuple[int, ...]:
    """The kernel's list of processors: `0-2,7` is 0, 1, 2, 7."""
    cpus: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
