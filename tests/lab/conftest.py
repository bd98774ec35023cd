"""The lab, once for a session. Whoever has it has all of it: tests of the lab stay with one worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.engine import need_engine
from tests.lab.lab import TestLab, lab_of

_BOXES = 3


def pytest_itemcollected(item: pytest.Item) -> None:
    """Called for the tests of this folder, before pytest-xdist looks for groups."""
    item.add_marker(pytest.mark.docker)
    item.add_marker(pytest.mark.xdist_group("lab"))


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
