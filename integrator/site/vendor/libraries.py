"""The files of a library, from the package that carries it or from what an earlier build kept."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution, version
from importlib.resources import files
from pathlib import Path
from typing import Literal

from integrator.resources import CACHE
from integrator.site.vendor import datatables, vega
from protocol.atomic import write_atomically

__all__ = ["Kind", "Library", "library", "vendored", "vendored_assets"]

Kind = Literal["datatables", "vega"]

_LOG = logging.getLogger(__name__)
_MAKING = 1
"""Counted up where the same package gives other files than before, so that kept ones are not taken."""


@dataclass(frozen=True, slots=True)
class Library:
    """What one library brings to a site."""

    package: str
    """The Python package that carries it, with its version: `itables 2.9.1`."""
    versions: dict[str, str]
    """Of the libraries inside."""
    files: tuple[tuple[str, bytes], ...]
    """By their path from the site's root."""
    licences: str
    """The texts: of the package, and of what it carries."""


@dataclass(frozen=True, slots=True)
class _Source:
    package: str
    versions: Callable[[], dict[str, str]]
    files: dict[str, Callable[[], bytes]]


_SOURCES: dict[Kind, _Source] = {
    "datatables": _Source(
        "itables",
        datatables.versions,
        {"datatables.js": datatables.script, "datatables.css": datatables.style},
    ),
    "vega": _Source("vl-convert-python", vega.versions, {"vega.js": vega.script}),
}


@cache
def library(kind: Kind) -> Library:
    """A library, made once per version of its package; what was made lies in the user's cache.

    Raises:
        ValueError: the package has another form than this was written for.
    """
    source = _SOURCES[kind]
    carried = files("integrator.site.vendor").joinpath(f"{kind}.txt").read_text(encoding="utf-8")
    own = _licence_of(source.package)
    return Library(
        package=f"{source.package} {version(source.package)}",
        versions=source.versions(),
        files=tuple(
            (f"assets/vendor/{name}", _kept(source.package, name, make))
            for name, make in source.files.items()
        ),
        licences=f"{source.package}\n{'-' * len(source.package)}\n\n{own}\n\n{carried.strip()}\n",
    )


def vendored(kind: Kind) -> list[tuple[str, bytes]]:
    """The files of a library, by their path from the site's root: `assets/vendor/vega.js`."""
    return list(library(kind).files)


def vendored_assets(kinds: Iterable[Kind]) -> list[tuple[str, bytes]]:
    """The files of these libraries, with `assets/LICENSES.txt` and `assets/versions.json` about them."""
    libraries = [library(kind) for kind in sorted(set(kinds))]
    about = {
        name: {"from": each.package, "contains": each.versions, "sha256": hashlib.sha256(data).hexdigest()}
        for each in libraries
        for name, data in each.files
    }
    texts = "\n\n".join(each.licences for each in libraries) or "This site carries no software of others.\n"
    return [
        *(file for each in libraries for file in each.files),
        ("assets/LICENSES.txt", texts.encode()),
        ("assets/versions.json", (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()),
    ]


def _kept(package: str, name: str, make: Callable[[], bytes]) -> bytes:
    """The file as an earlier build kept it with its hash, or made now; a cache is a help, no condition."""
    path = CACHE / "vendor" / f"{package}-{version(package)}-{_MAKING}" / name
    if (kept := _read(path)) is not None:
        return kept
    data = make()
    try:
        write_atomically(path, hashlib.sha256(data).digest() + data, durable=False)
    except OSError as error:
        _LOG.warning("%s could not be kept for the next build: %s", path, error)
    return data


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, data = content[:32], content[32:]
    return data if hashlib.sha256(data).digest() == digest else None


def _licence_of(package: str) -> str:
    """What the package says of its licence, from its own files."""
    found = distribution(package)
    texts = [
        file.read_text(encoding="utf-8").strip()
        for file in found.files or ()
        if ".dist-info" in str(file) and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]
    return "\n\n".join(texts) or f"Licence: {found.metadata['License']}"
