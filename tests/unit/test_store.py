"""A campaign's folder that is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrator.store import CampaignStore
from protocol.errors import UserError


def test_a_folder_without_a_job_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"jobs/box\.json: the job of box cannot be read: No such file"
    ) as gone:
        CampaignStore(tmp_path).read_job("box")
    assert "not whole" in gone.value.advice
