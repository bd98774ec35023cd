"""Paths of files that lab.yaml names: relative to it, `~` being the user's home, and there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from integrator.config.section import reading_of
from integrator.config.values import refusal, shown

__all__ = ["ExistingFile", "NamedFile"]


def _named(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise refusal(f"{shown(value)} is not the path of a file")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise refusal(f"{shown(value)} names a home that is not known") from None
    reading = reading_of(info)
    return reading.folder / path if reading else path


def _existing(value: object, info: ValidationInfo) -> object:
    path = _named(value, info)
    if reading_of(info) is None or not isinstance(path, Path):
        return path
    name = shown(str(path), whole=True)
    try:
        if path.is_dir():
            raise refusal(f"{name} is a directory; expected a file")
        if not path.exists():
            raise refusal(f"{name} does not exist")
    except OSError as error:
        raise refusal(f"{name} cannot be read: {error.strerror}") from None
    if not os.access(path, os.R_OK):
        raise refusal(f"{name} cannot be read: no permission")
    return path


NamedFile = Annotated[Path, BeforeValidator(_named, json_schema_input_type=str)]
"""A file that need not be there yet."""
ExistingFile = Annotated[Path, BeforeValidator(_existing, json_schema_input_type=str)]
"""A file that is there and can be read when the configuration is."""
