"""What the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.engine import openvino as ov
from tests.support import make_tiny_model


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The tiny model as IR: the .xml and the .bin."""
    folder = tmp_path_factory.mktemp("tiny")
    ov.save_model(make_tiny_model(), folder / "tiny.xml", compress_to_fp16=False)
    return [folder / "tiny.xml", folder / "tiny.bin"]
