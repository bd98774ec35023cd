"""An image as a file here, to be sent to machines: saved once for all of them."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from docker.errors import ImageNotFound

from integrator.launch.engine import Engine
from protocol.errors import UserError

__all__ = ["ImageFile", "save_image"]

_CHUNK = 1 << 20
_SAVE_TIMEOUT_S = 900.0
_GZIP = 31
"""zlib's code for gzip with the largest window; such a header carries neither name nor time."""
_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A saved image, gzipped."""

    reference: str
    path: Path
    size: int
    """Bytes."""
    sha256: str


def save_image(source: Engine, reference: str, folder: Path) -> ImageFile:
    """Save an image of this computer's engine into a folder, or take what was saved of it there before.

    The same file is taken again as long as the image is the same, so that an interrupted transfer goes on
    with the same bytes. Files of earlier images of that name are removed.

    Raises:
        UserError: the engine has no such image, or the folder cannot be written.
        UnreachableError, LaunchError: the engine cannot be asked.
    """
    with source.asked(f"saving {reference}", timeout_s=_SAVE_TIMEOUT_S) as client:
        try:
            found: dict[str, str] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            raise UserError(
                f"{source}: there is no image {reference} to send",
                advice="build it here: see docker/ and the runbook",
            ) from None
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", reference)
        digits = found["Id"].rpartition(":")[2][:_ID_DIGITS]
        path = folder / f"{name}-{digits}.tar.gz"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                _remove_others(folder, name)
                chunks = client.get_image(reference, chunk_size=_CHUNK)
                _write(path, chunks)
            size, sha256 = _measure(path)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
    return ImageFile(reference, path, size, sha256)


def _write(path: Path, chunks: object) -> None:
    """Fast rather than small: a lab's network is seldom slower than this."""
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            for chunk in chunks:  # type: ignore[attr-defined]
                stream.write(packer.compress(chunk))
            stream.write(packer.flush())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _measure(path: Path) -> tuple[int, str]:
    checksum = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            checksum.update(chunk)
            size += len(chunk)
    return size, checksum.hexdigest()


def _remove_others(folder: Path, name: str) -> None:
    pattern = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{_ID_DIGITS}}}\.tar\.gz")
    for path in folder.iterdir():
        if pattern.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()
