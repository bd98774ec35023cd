"""Files that come with the program, and where it keeps its own."""

from __future__ import annotations

from pathlib import Path

import platformdirs

__all__ = ["CACHE", "find"]

CACHE = Path(platformdirs.user_cache_dir("fleetmark"))
"""Models, built or copied, from one campaign to the next."""


def find(name: str) -> Path:
    """The folder `name` (examples, templates): beside the packages in a checkout, inside one when installed.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    package = Path(__file__).parent
    for folder in (package / f"_{name}", package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"fleetmark was installed without its {name}")
