"""The lab, once for a session: `make test` runs its tests one after another, in one process."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.lab.base import Images, build
from tests.lab.engine import need_engine
from tests.lab.lab import TestLab, lab_of, stage
from tests.lab.server import LabServer

_BOXES = 3


def pytest_itemcollected(item: pytest.Item) -> None:
    """Called for the tests of this folder."""
    item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker Engine on this machine; the test skips, or fails, without."""
    need_engine()


@pytest.fixture(scope="session")
def whole_lab(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Three boxes; in whatever state the last test left them."""
    with lab_of(_BOXES, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(whole_lab: TestLab) -> Iterator[TestLab]:
    """Three boxes, on and empty but for their images."""
    yield whole_lab
    for box in whole_lab.boxes:
        box.tidy()


@pytest.fixture(scope="session")
def images(engine: None) -> Images:
    """The images of this checkout's three programs."""
    with stage("images of agent, server and integrator"):
        return build()


@pytest.fixture
def agents(lab: TestLab, images: Images) -> TestLab:
    """The lab, with the agent's image in every box."""
    lab.load(images.agent)
    return lab


@pytest.fixture(scope="session")
def server(whole_lab: TestLab, images: Images) -> LabServer:
    """The lab's own FTP server."""
    with stage("the FTP server"):
        return LabServer.start(
            image=images.ftp,
            integrator_image=images.integrator,
            prefix=whole_lab.prefix,
            network=whole_lab.network,
            owner=whole_lab.owner,
        )


@pytest.fixture
def free_port(whole_lab: TestLab) -> int:
    """A port that is free on this machine's address in the lab."""
    with socket.create_server((whole_lab.network.here, 0)) as listening:
        return int(listening.getsockname()[1])
