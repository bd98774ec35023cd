"""The images that the lab's own containers are made of, built once and kept by content."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.docker_cli import DockerError, docker, docker_ok, lines_of

__all__ = ["BASE", "PREFIX", "Images", "box_image", "build", "need_base"]

BASE = "debian:bookworm-slim"
"""What the Dockerfiles start from: pulled, or made here under the same name where there is no registry."""
_DOCKER = Path(__file__).parents[2] / "docker"
PREFIX = f"fleetmark-lab-{hashlib.sha256(str(_DOCKER).encode()).hexdigest()[:8]}/"
"""Of the images that are tested: those of this checkout, beside those that somebody uses."""
_REPOSITORY = "fleetmark-lab-box"
_SOURCES = Path(__file__).parent / "box"
_MAKE_S = 900.0


def need_base() -> str:
    """The base image's id; it is made from Debian's packages where this machine has none."""
    if not docker_ok("image", "inspect", BASE):
        _script("base", "--tag", BASE)
    return docker("image", "inspect", "--format", "{{.Id}}", BASE).strip()


@dataclass(frozen=True, slots=True)
class Images:
    """The names of the images of this checkout's programs."""

    agent: str
    ftp: str
    integrator: str


def build() -> Images:
    """Have the three images; `docker/build` leaves as it is what it made from the same sources."""
    need_base()
    names = lines_of(_script("build", "--prefix", PREFIX, "agent", "ftp", "integrator"))
    return Images(*names)


def _script(name: str, *words: str) -> str:
    """What a program of docker/ says.

    Raises:
        DockerError: it failed.
    """
    done = subprocess.run(
        [str(_DOCKER / name), *words], check=False, capture_output=True, text=True, timeout=_MAKE_S
    )
    if done.returncode != 0:
        raise DockerError(f"docker/{name} {' '.join(words)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def box_image() -> str:
    """The name of the image of a box, which is built where it is not there yet."""
    sources = sorted(_SOURCES.iterdir())
    content = hashlib.sha256(need_base().encode())
    for source in sources:
        content.update(source.read_bytes())
    name = f"{_REPOSITORY}:{content.hexdigest()[:12]}"
    if not docker_ok("image", "inspect", name):
        docker("build", "-q", "--build-arg", f"BASE={BASE}", "-t", name, str(_SOURCES), timeout_s=_MAKE_S)
        for other in lines_of(docker("images", "--format", "{{.Repository}}:{{.Tag}}", _REPOSITORY)):
            if other != name:
                docker_ok("rmi", other)  # another session may still use it
    return name
