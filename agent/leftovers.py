"""What an agent that was killed left behind in its work folder."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from agent.spool import Spool

__all__ = ["attempts_folder", "scratch_folder", "spool_folder", "tidy"]


def scratch_folder(work: Path) -> Path:
    """Where runs have folders of their own."""
    return work / "scratch"


def spool_folder(work: Path, campaign: str) -> Path:
    """Where results of a campaign wait."""
    return work / "spool" / campaign


def attempts_folder(work: Path) -> Path:
    """Where it is noted which run of a campaign is under way."""
    return work / "attempts"


def tidy(work: Path) -> None:
    """Remove folders of runs, and half-written results. Only for the agent that has the folder's lock."""
    shutil.rmtree(scratch_folder(work), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        for folder in spool_folder(work, "").iterdir():
            Spool.tidy(folder)
