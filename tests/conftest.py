"""What the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.engine import openvino as ov
from tests.support import make_tiny_model

_REAL_TIME = frozenset({"engine", "integration", "lab", "launching", "site"})
"""Folders whose tests wait for other processes: on a machine that others load as well, one of a thousand may
wait for too long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what runs in real time a second try. What needed it is listed at the end, to be looked at."""
    for item in items:
        if _REAL_TIME & set(Path(item.path).relative_to(Path(__file__).parent).parts):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The tiny model as IR: the .xml and the .bin."""
    folder = tmp_path_factory.mktemp("tiny")
    ov.save_model(make_tiny_model(), folder / "tiny.xml", compress_to_fp16=False)
    return [folder / "tiny.xml", folder / "tiny.bin"]
