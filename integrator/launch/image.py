"""Images on machines: whether one is there, and sending it from here.

Over SSH the file is sent by SFTP, goes on where a broken transfer stopped, is compared by its hash and loaded
from there. An engine on TCP takes it as a stream, from the beginning each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from docker.errors import ImageNotFound

from integrator.launch.engine import Engine
from integrator.launch.image_file import ImageFile
from integrator.launch.remote_file import RemoteFile
from integrator.launch.ssh import Ssh
from protocol.errors import LaunchError, UnreachableError, UserError

__all__ = ["Progress", "image_id", "send_image"]

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are there."""

_CHUNK = 1 << 20
_ATTEMPTS = 4
_FIRST_PAUSE_S = 1.0
_LOAD_TIMEOUT_S = 900.0
_SLOWEST_HASH = 10_000_000
"""Bytes a second that a machine hashes at least."""


def image_id(engine: Engine, reference: str) -> str | None:
    """The id of an image on a machine; None where it is not there.

    Raises:
        UnreachableError, UserError, LaunchError: the engine cannot be asked.
    """
    with engine.asked(f"looking for the image {reference}") as client:
        try:
            found: dict[str, str] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return None
        return found["Id"]


def send_image(engine: Engine, file: ImageFile, progress: Progress) -> None:
    """Put an image on a machine and load it there; a connection that breaks is made again, some times.

    Raises:
        UnreachableError: the connection broke again and again; over SSH, another call goes on from there.
        UserError: the engine may not be used.
        LaunchError: there is no room, or the engine did not take the image; with what to do.
    """
    over_ssh = engine.ssh
    failures, reached = 0, 0
    seen = [0]

    def tell(done: int, total: int) -> None:
        seen[0] = max(seen[0], done)
        progress(done, total)

    while True:
        try:
            if over_ssh is not None:
                _send_over_ssh(over_ssh, engine, file, tell)
            else:
                _stream(engine, file, tell)
            found = image_id(engine, file.reference)
            break
        except UnreachableError:
            if over_ssh is not None and seen[0] > reached:
                failures, reached = 0, seen[0]  # it went on
            failures += 1
            if failures >= _ATTEMPTS:
                raise
            time.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1))
    if found is None:
        raise LaunchError(
            f"{engine}: the image {file.reference} was loaded and is not there under this name",
            advice="docker images, on the machine, shows what it is called; correct image in lab.yaml",
        )


def _send_over_ssh(ssh: Ssh, engine: Engine, file: ImageFile, progress: Progress) -> None:
    remote = RemoteFile(ssh, f"{file.sha256}.tar.gz")
    remote.remove_old()
    for last in (False, True):
        remote.append(file.path, file.size, progress)
        if remote.sha256(timeout_s=60 + file.size / _SLOWEST_HASH) == file.sha256:
            break
        remote.remove()  # a part that was damaged: once more, whole
        if last:
            raise LaunchError(
                f"{ssh}: the image arrives damaged, twice", advice="check the machine's disk and memory"
            )
    said = ssh.run(f"{engine.docker_command} load -i {remote.path}", timeout_s=_LOAD_TIMEOUT_S)
    if said.exit_code != 0:
        words = said.errors.strip()[-500:]
        full = "no space left" in words
        if not full:
            remote.remove()  # kept where there will be room: it need not be sent again
        raise LaunchError(
            f"{engine}: loading {file.reference} failed: {words}",
            advice="make room there: docker system df shows what Docker takes" if full else "",
        )
    remote.remove()


def _stream(engine: Engine, file: ImageFile, progress: Progress) -> None:
    with engine.asked(f"loading {file.reference}", timeout_s=_LOAD_TIMEOUT_S) as client:
        for line in client.load_image(_chunks(file, progress)):  # type: ignore[no-untyped-call]
            if "error" in line:
                words = str(line["error"])[:500]
                advice = "make room there: docker system df shows what Docker takes"
                raise LaunchError(
                    f"{engine}: loading {file.reference} failed: {words}",
                    advice=advice if "no space left" in words else "",
                )


def _chunks(file: ImageFile, progress: Progress) -> Iterator[bytes]:
    done = 0
    try:
        with file.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
                done += len(chunk)
                progress(done, file.size)
    except FileNotFoundError as error:
        raise UserError(f"{file.path} was removed while it was sent") from error
