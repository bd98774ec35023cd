"""The control groups that this process is in, version 1 or 2. Standard library only: a run reads them too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["ControlGroups"]

_MOUNT = "sys/fs/cgroup"


class ControlGroups:
    """Finds the folders of a controller, below `root`."""

    def __init__(self, root: Path) -> None:
        """Read which groups the process is in; without /proc/self/cgroup there are none."""
        self._mount = root / _MOUNT
        self._paths: dict[str, str] = {}
        self._names: dict[str, str] = {}
        try:
            lines = (root / "proc/self/cgroup").read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            _, names, path = line.split(":", 2)
            for name in names.split(","):
                self._paths[name] = path
                self._names[name] = names
        self.version = 2 if (self._mount / "cgroup.controllers").exists() else 1

    def levels(self, controller: str) -> Iterator[Path]:
        """The process's folder of a controller and those above it: a limit of each of them counts."""
        if self.version == 2:  # noqa: PLR2004
            base, path = self._mount, self._paths.get("", "/")
        else:
            base, path = self._version_1(controller), self._paths.get(controller, "/")
        folder = base / path.strip("/")
        if ".." in folder.parts or not folder.is_dir():
            # A container sees its own group at the mount itself, and may be told of a path outside.
            folder = base
        while folder.is_dir():
            yield folder
            if folder == base:
                return
            folder = folder.parent

    def _version_1(self, controller: str) -> Path:
        together = self._mount / self._names.get(controller, controller)
        return together if together.is_dir() else self._mount / controller

    def cpu_limits(self) -> list[tuple[Path, float]]:
        """Each folder with a limit of CPU time, and the limit in cores.

        Raises:
            ValueError: a limit is not what the kernel writes.
        """
        found = []
        for folder in self.levels("cpu"):
            limit = _limit_of(folder)
            if limit is not None:
                found.append((folder, limit))
        return found


def _limit_of(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except OSError:
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return None if quota in {"max", "-1"} else int(quota) / int(period)
