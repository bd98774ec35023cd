"""What a file is known by while it travels: its digest, and the name it has until it is verified."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

__all__ = ["RESUMED_BYTES", "Digest", "final_name", "temporary_name"]

RESUMED_BYTES = 1 << 20
"""Uploads from this size on go on where they broke off; a smaller one is sent again sooner."""

_TAG_DIGITS = 16
_TEMPORARY = re.compile(rf"(.+)\.part-[0-9a-f]{{{_TAG_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file's content is known by."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of bytes in memory."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


def temporary_name(name: str, *, owner: str, tag: str) -> str:
    """A name to upload `name` under until it is verified.

    The same one each time for one owner and tag, so that what a broken upload leaves is taken up or written
    over by the next one; another one for each other owner or tag, so that nobody writes into it meanwhile.
    """
    return f"{name}.part-{hashlib.sha256(f'{owner}/{tag}/{name}'.encode()).hexdigest()[:_TAG_DIGITS]}"


def final_name(name: str) -> str | None:
    """The name that a temporary name stands for, or None where it is not a temporary name."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else None
