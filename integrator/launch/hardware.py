"""What a machine's hardware is, seen from a container that lives for a moment."""

from __future__ import annotations

import re

from docker.errors import APIError

from integrator.launch.engine import Engine
from protocol.errors import LaunchError, UserError

__all__ = ["cpus_of_node", "groups_of_devices"]

_CPUS = re.compile(r"[0-9]+(?:[-,][0-9]+)*")
_TIMEOUT_S = 60


def groups_of_devices(engine: Engine, image: str, devices: tuple[str, ...]) -> tuple[int, ...]:
    """The groups that may open a machine's devices, by number: the agent's user gets them.

    They are the machine's (`render`, `video`), and their numbers differ from one to the next. Root's is none
    of them.

    Raises:
        UserError: a device is not there.
        LaunchError: the engine could not start the container that looks.
    """
    if not devices:
        return ()
    said = _ask(engine, image, ["find", *devices, "-type", "c", "-printf", "%G\\n"], devices=devices)
    return tuple(sorted({int(line) for line in said.split() if line.isdigit()} - {0}))


def cpus_of_node(engine: Engine, image: str, node: int) -> str:
    """The CPUs of a NUMA node, as Docker names sets of them.

    Raises:
        UserError: the machine has no such node.
        LaunchError: the engine could not start the container that looks.
    """
    command = ["sh", "-c", f"cat /sys/devices/system/node/node{node}/cpulist || true"]
    said = _ask(engine, image, command).strip()
    if not _CPUS.fullmatch(said):
        raise UserError(
            f"{engine}: the machine has no NUMA node {node}",
            advice="correct numa_node in lab.yaml; lscpu shows the nodes",
        )
    return said


def _ask(engine: Engine, image: str, command: list[str], devices: tuple[str, ...] = ()) -> str:
    with engine.asked("looking at the machine's hardware") as client:
        host = client.create_host_config(
            cap_drop=["ALL"],
            devices=[f"{device}:{device}" for device in devices],
            network_mode="none",
            security_opt=["no-new-privileges"],
        )
        made = client.create_container(
            image, entrypoint=command[0], command=command[1:], host_config=host, working_dir="/"
        )
        try:
            client.start(made["Id"])
            code = client.wait(made["Id"], timeout=_TIMEOUT_S)["StatusCode"]
            said = client.logs(made["Id"], stdout=True, stderr=code != 0).decode(errors="replace")
        finally:
            _remove(engine, made["Id"])
    if code != 0:
        raise LaunchError(f"{engine}: {' '.join(command)} failed in {image}: {said.strip()[-500:]}")
    return str(said)


def _remove(engine: Engine, container: str) -> None:
    try:
        engine.client().remove_container(container, force=True)
    except APIError:
        return  # what went wrong before is what is raised
