"""The images that the lab's own containers are made of, built once and kept by content."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from tests.lab.docker_cli import docker, docker_ok, lines_of

__all__ = ["BASE", "box_image", "need_base"]

BASE = "debian:bookworm-slim"
"""What the Dockerfiles start from: pulled, or made here under the same name where there is no registry."""
_REPOSITORY = "fleetmark-lab-box"
_SOURCES = Path(__file__).parent / "box"
_MAKE_S = 900.0


def need_base() -> str:
    """The base image's id; it is made with debootstrap where this machine has none."""
    if not docker_ok("image", "inspect", BASE):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "root"
            subprocess.run(
                ["debootstrap", "--variant=minbase", "bookworm", str(root)],
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=_MAKE_S,
            )
            with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
                subprocess.run(
                    ["docker", "import", "-", BASE],
                    check=True,
                    stdin=packed.stdout,
                    stdout=subprocess.DEVNULL,
                )
    return docker("image", "inspect", "--format", "{{.Id}}", BASE).strip()


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
                docker_ok("rmi", other)  # another session's boxes may still use it
    return name
