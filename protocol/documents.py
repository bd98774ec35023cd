"""JSON documents with a version: how they are written, read, bounded and refused."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from protocol.errors import DocumentError, NewerDocumentError

__all__ = ["Document", "Record", "Step", "canonical_json"]

_MAX_PLACE_CHARS = 200
_MAX_INTEGER = (1 << 63) - 1
_MAX_VERSION_DIGITS = 20

Step = Callable[[dict[str, Any]], dict[str, Any]]
"""From the JSON of one version of a document to that of the next. What it is given came from elsewhere and
was not checked: it passes on what it does not know, and raises ValueError where it cannot go on."""

# Packed numbers, as text. Read, they take no more memory than they have bytes; anything else may take fifty
# times as much.
_PACKED = re.compile(rb'"[A-Za-z0-9+/=]{1000,}+"')


def _bounded(digits: str) -> int:
    """An integer of 64 bits: a larger one is no measurement, and no table has room for it."""
    number = int(digits)
    if not -_MAX_INTEGER <= number <= _MAX_INTEGER:
        raise ValueError("an integer of more than 64 bits")
    return number


def canonical_json(value: Any) -> bytes:
    """The same bytes for the same value: sorted keys, no spaces, UTF-8. Used where JSON is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Record(BaseModel):
    """A part of a document: immutable, and without keys that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Document(Record):
    """A file that travels between the integrator and an agent.

    Each subclass names its `kind`, its `current_version` and how large it may be. From version 2 on it sets
    `schema_version` to `Literal[n] = n`, and has in `steps` for each older version the step to the next one.
    """

    kind: ClassVar[str]
    current_version: ClassVar[int] = 1
    steps: ClassVar[Mapping[int, Step]] = {}
    max_bytes: ClassVar[int] = 4 << 20
    max_plain_bytes: ClassVar[int] = 64 << 20
    """Without packed numbers."""

    schema_version: int = 1

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str) -> Self:
        """Read a document of this version or an older one; `source` names it in errors.

        Raises:
            NewerDocumentError: written by a newer version than this program knows.
            DocumentError: too large, not JSON, or not of this schema.
        """
        if len(data) > cls.max_bytes:
            raise DocumentError(f"{source}: {len(data):,} bytes; a {cls.kind} has at most {cls.max_bytes:,}")
        plain = _PACKED.sub(b'""', data)
        if len(plain) > cls.max_plain_bytes:
            raise DocumentError(
                f"{source}: {len(plain):,} bytes besides packed numbers; "
                f"a {cls.kind} has at most {cls.max_plain_bytes:,}"
            )
        try:
            raw = json.loads(plain, parse_int=_bounded)
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"{source}: not JSON: {error}") from error
        version = cls._version(raw, source)
        del raw
        try:
            if version < cls.current_version:
                data = cls._migrated(data, version)
            return cls.model_validate_json(data, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            # A key that nobody declared is the sender's word: no terminal gets it raw, no log gets all of it.
            where = repr(".".join(str(part) for part in first["loc"]))[1:-1][:_MAX_PLACE_CHARS]
            raise DocumentError(f"{source}: not a valid {cls.kind}: {where}: {first['msg']}") from error
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"{source}: not a valid {cls.kind} of version {version}: {error}") from error

    @classmethod
    def _version(cls, raw: Any, source: str) -> int:
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise DocumentError(f"{source}: not a {cls.kind}: no schema_version")
        if version > cls.current_version:
            raise NewerDocumentError(
                f"{source}: {cls.kind} of schema version {str(version)[:_MAX_VERSION_DIGITS]}, "
                f"but this program knows versions up to {cls.current_version}",
                advice="Update fleetmark on this side.",
            )
        return version

    @classmethod
    def _migrated(cls, data: bytes, version: int) -> bytes:
        """The JSON of an older version as that of the current one, step by step."""
        document = json.loads(data)
        for before in range(version, cls.current_version):
            document = {**cls.steps[before](document), "schema_version": before + 1}
        return json.dumps(document).encode()

    def to_bytes(self) -> bytes:
        """The document as indented JSON, ending in a line break."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    @classmethod
    def from_gzip(cls, data: bytes, *, source: str) -> Self:
        """Read a compressed document without ever unpacking more than it may hold."""
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                content = stream.read(cls.max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DocumentError(f"{source}: not gzip: {error}") from error
        return cls.from_bytes(content, source=source)

    def to_gzip(self) -> bytes:
        """The document compressed; the same bytes for the same document."""
        return gzip.compress(self.model_dump_json().encode(), compresslevel=6, mtime=0)
