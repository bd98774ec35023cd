"""The file that says until when an agent may be silent."""

from __future__ import annotations

import time
from pathlib import Path

from agent import alive


def test_the_time_of_the_file_is_when_the_silence_is_over(tmp_path: Path) -> None:
    before = time.time()
    alive.expect(tmp_path, 1000)
    first = (tmp_path / alive.NAME).stat().st_mtime
    assert first > before + 1000
    alive.expect(tmp_path, 10)
    assert before + 10 < (tmp_path / alive.NAME).stat().st_mtime < first


def test_a_folder_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    alive.expect(tmp_path / "gone", 10)
    assert not (tmp_path / "gone").exists()
