"""Files that come with the program: beside the packages in a checkout, inside this one when installed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find"]


def find(name: str) -> Path:
    """The folder `name` (examples, templates).

    Raises:
        FileNotFoundError: the installation is broken.
    """
    package = Path(__file__).parent
    for folder in (package / f"_{name}", package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"fleetmark was installed without its {name}")
