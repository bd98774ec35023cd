"""Three boxes on a network of their own, for all tests of a session."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.base import box_image
from tests.lab.box import LOGIN, Box
from tests.lab.network import LabNetwork
from tests.lab.owner import me, remove_all_of, remove_what_the_dead_left

__all__ = ["TestLab", "lab_of"]

_log = logging.getLogger("fleetmark.lab")


@dataclass(frozen=True, slots=True)
class TestLab:
    """The boxes, and how one gets into them."""

    __test__ = False  # pytest takes a name that begins with Test for a class of tests

    prefix: str
    """Begins the name of everything in the lab."""
    owner: str
    network: LabNetwork
    boxes: tuple[Box, ...]
    key_file: Path
    known_hosts: Path

    def url(self, box: Box) -> str:
        """How lab.yaml names the box's engine."""
        return f"ssh://{LOGIN}@{box.address}"

    def load(self, image: str) -> None:
        """Have an image of this machine in every box, under the same name."""
        with stage(f"image {image} into the boxes"), ThreadPoolExecutor() as pool:
            list(pool.map(lambda box: image in box.images() or box.load(image), self.boxes))


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say how long a part of the setting up took."""
    began = time.monotonic()
    yield
    _log.info("%s: %.1f s", what, time.monotonic() - began)


@contextmanager
def lab_of(count: int, folder: Path) -> Iterator[TestLab]:
    """A lab of `count` boxes; `folder` is for the keys. Nothing of it is left afterwards."""
    owner, prefix = me(), f"fleetmark-lab-{os.getpid()}"
    remove_what_the_dead_left()
    with stage("image of a box"):
        image = box_image()
    key_file = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key_file)], check=True)
    key = key_file.with_suffix(".pub").read_text().strip()
    try:
        with stage(f"{count} boxes"):
            network = LabNetwork.make(prefix, owner)

            def boot(number: int) -> Box:
                box = Box.start(number, image=image, prefix=prefix, network=network, owner=owner, key=key)
                box.booted()
                return box

            with ThreadPoolExecutor() as pool:
                boxes = tuple(pool.map(boot, range(1, count + 1)))
            known_hosts = folder / "known_hosts"
            known_hosts.write_text("".join(f"{box.host_key()}\n" for box in boxes))
        yield TestLab(prefix, owner, network, boxes, key_file, known_hosts)
    finally:
        with stage("removing the lab"):
            remove_all_of(owner)
