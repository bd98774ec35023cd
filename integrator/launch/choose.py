"""From a machine in lab.yaml to the way its agent is started."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from integrator.config.lab import LabMachine
from integrator.launch.container import DockerLauncher
from integrator.launch.engine import Engine
from integrator.launch.interface import Launcher
from integrator.launch.local import LocalLauncher
from integrator.launch.logins import Passwords
from integrator.launch.waiting import WaitingLauncher

__all__ = ["choose_launcher", "own_openvino"]


def choose_launcher(machine: LabMachine, *, work: Path, cache: Path, passwords: Passwords) -> Launcher:
    """Make the launcher of a machine; nothing is connected yet.

    Args:
        machine: As lab.yaml has it.
        work: Where a local agent keeps its spool and its log: a folder for this machine.
        cache: Where local agents keep models from one campaign to the next.
        passwords: What was asked for in the terminal: one for all machines, so that nothing is asked twice.
    """
    if machine.docker is not None:
        engine = Engine(machine.docker, passwords)
        return DockerLauncher(machine.name, machine.docker, engine, default_openvino=own_openvino())
    if machine.start == "waiting":
        return WaitingLauncher()
    return LocalLauncher(work, cache=cache)


def own_openvino() -> str:
    """The release of OpenVINO that is installed here, as campaigns and images name it: `2026.4`."""
    return ".".join(version("openvino").split(".")[:2])
