"""Whose lab it is: everything carries a label, so that what a killed session left is found and removed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.lab.docker_cli import DockerError, docker, lines_of

__all__ = ["LABEL", "me", "remove_all_of", "remove_cgroups", "remove_what_the_dead_left"]

LABEL = "fleetmark.test-lab"
_KINDS = ("container", "network", "volume")  # in this order: the later ones are used by the earlier
_CGROUPS = Path("/sys/fs/cgroup")


def me() -> str:
    """This process, in a way that no later process of the same number has."""
    return f"{os.getpid()}-{_started(os.getpid())}"


def _started(pid: int) -> str:
    """When a process started, in ticks since boot, and the boot; empty where there is none."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{ticks}-{Path('/proc/sys/kernel/random/boot_id').read_text()[:8]}"


def _is_alive(owner: str) -> bool:
    pid, _, started = owner.partition("-")
    return pid.isdigit() and bool(started) and _started(int(pid)) == started


def remove_what_the_dead_left() -> None:
    """Remove the labs of sessions that are no longer."""
    owners = {owner for kind in _KINDS for _, owner in _things(kind)}
    for owner in owners:
        if not _is_alive(owner):
            remove_all_of(owner)


def remove_all_of(owner: str) -> None:
    """Remove every container, network and volume of a session, and the control groups of its boxes."""
    for kind in _KINDS:
        for name, whose in _things(kind):
            if whose == owner:
                force = ("-f", "-v") if kind == "container" else ()
                with contextlib.suppress(DockerError):
                    docker(kind, "rm", *force, name)
                if kind == "container":
                    remove_cgroups(name)


def _things(kind: str) -> list[tuple[str, str]]:
    every = ("-a",) if kind == "container" else ()
    name = {"container": "{{.Names}}", "network": "{{.Name}}", "volume": "{{.Name}}"}[kind]
    template = f'{name} {{{{.Label "{LABEL}"}}}}'
    listed = docker(kind, "ls", *every, "--filter", f"label={LABEL}", "--format", template)
    pairs = (line.split(" ", 1) for line in lines_of(listed))
    return [(found, owner) for found, owner in pairs]


def remove_cgroups(box: str) -> None:
    """What a box's engine made under its own name; empty once the box is gone."""
    roots = [_CGROUPS / box, *(each / box for each in _CGROUPS.iterdir() if each.is_dir())]
    for root in roots:
        if root.is_dir():
            for folder, _, _ in os.walk(root, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
