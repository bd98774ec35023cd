"""A site in another folder of this computer, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from protocol.errors import UserError

__all__ = ["MARK", "publish_to_folder"]

MARK = "data/results.json"
"""A file that every site has: a folder without it, and not empty, is somebody else's."""


def publish_to_folder(site: Path, target: Path) -> None:
    """Put a copy of `site` in the place of the folder `target`.

    Raises:
        UserError: `target` is the site itself or around it, or holds something that fleetmark did not build.
        OSError: nothing can be written there.
    """
    target, site = target.resolve(), site.resolve()
    if target == site or target in site.parents or site in target.parents:
        raise UserError(f"{target}: that is where the site is made", advice="Publish to another folder.")
    if target.exists() and not (target.is_dir() and ((target / MARK).is_file() or not any(target.iterdir()))):
        raise UserError(
            f"{target}: there is something here that fleetmark did not publish",
            advice="Choose another folder.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        staged, previous = Path(temporary) / "new", Path(temporary) / "previous"
        shutil.copytree(site, staged)
        if target.exists():
            target.rename(previous)
        try:
            staged.rename(target)
        except OSError:
            if previous.exists():
                previous.rename(target)
            raise
