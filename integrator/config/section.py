"""What lab.yaml and campaign.yaml have in common as documents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo

from integrator.config.values import refusal, shown
from integrator.config.yaml_source import KeyPath, Problem, Source
from protocol.documents import Record

__all__ = ["SCHEMA_VERSION", "ConfigFile", "Reading", "SchemaVersion", "reading_of"]

SCHEMA_VERSION = 1
"""The version of both files that this program reads."""


@dataclass(frozen=True)
class Reading:
    """What validators may look at beside the value itself: the context of pydantic's validation."""

    source: Source
    folder: Path
    """Paths in the file are relative to it."""
    builtin_models: Collection[str] = ()


def reading_of(info: ValidationInfo) -> Reading | None:
    """The reading that a validation is part of; None where a document is made in code."""
    return info.context if isinstance(info.context, Reading) else None


def _known_version(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value == SCHEMA_VERSION:
        return value
    raise refusal(f"{shown(value)} is not a version that is known here; expected {SCHEMA_VERSION}")


SchemaVersion = Annotated[
    Literal[1],
    BeforeValidator(_known_version),
    Field(title="Schema version", description="Version of this file's format: 1."),
]


class ConfigFile(Record):
    """A document that knows the file it came from."""

    schema_version: SchemaVersion

    _source: Source | None = PrivateAttr(default=None)

    def comes_from(self, source: Source) -> None:
        """Remember the file, for the positions in later messages."""
        self._source = source

    def problem(self, path: KeyPath, sentence: str) -> Problem:
        """A problem with the value at `path`, with the file's name, line and column where it has them."""
        source = self._source or Source(f"<{type(self).__name__.lower()}>")
        return source.problem(path, sentence)

    def line(self, path: KeyPath) -> int:
        """The line of the value at `path`; 0 where the document was made in code."""
        return self._source.line(path) if self._source else 0
