"""Releases of OpenVINO: how a campaign names them, and which of them an installed OpenVINO is."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import StringConstraints

__all__ = ["RELEASE", "AskedRelease", "is_release", "short_version"]

RELEASE = r"20[0-9]{2}\.[0-9]{1,2}(?:\.[0-9]{1,2})?"

AskedRelease = Annotated[str, StringConstraints(pattern=rf"^{RELEASE}$")] | Literal["auto"]
"""A release by its number, such as `2026.4` or `2026.4.1`; `auto` is whichever the machine's agent has."""


def is_release(version: str, asked: str) -> bool:
    """Whether an OpenVINO of this `version` is the release that was asked for.

    2026.4 asks for any 2026.4.x; what OpenVINO appends to its version (build, commit, branch) does not count.
    """
    if asked == "auto":
        return True
    wanted, found = _numbers(asked), _numbers(version)
    return found[: len(wanted)] == wanted


def short_version(version: str) -> str:
    """The numbers of a version, without what OpenVINO appends to them."""
    return ".".join(map(str, _numbers(version))) or version


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()
