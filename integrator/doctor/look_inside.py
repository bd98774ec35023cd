"""A container of the agent's image that lives for a moment, and says what an agent would see in it."""

from __future__ import annotations

from contextlib import suppress

from docker.errors import DockerException

from integrator.config.docker_start import DockerStart
from integrator.doctor.meeting import Door
from integrator.doctor.script import MAX_ANSWER_BYTES, SCRIPT
from integrator.launch.engine import Engine
from integrator.launch.hardware import cpus_of_node, groups_of_devices
from protocol.errors import FleetmarkError

__all__ = ["LABEL", "look_inside"]

LABEL = "fleetmark.doctor"
_TIMEOUT_S = 60

_MORE = r"""
echo "openvino $(python -I -m agent.machine.devices 2>&1 | tail -n 1)"
python -I -c '
import socket, sys
for door in sys.argv[1].split():
    host, _, port = door.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.settimeout(10)
            heard = connection.recv(200).decode("ascii", "replace")
            print("heard", door, *heard.splitlines()[:1])
    except OSError as error:
        print("missed", door, error.strerror or error)
' "$doors"
"""


def look_inside(engine: Engine, start: DockerStart, image: str, doors: tuple[Door, ...]) -> str:
    """What the machine's system says (see `script`), what OpenVINO sees, and what is heard at each door.

    The container has the agent's limits, devices and network, sees the machine's processes, and no volume.

    Raises:
        UserError: the machine has not what lab.yaml asks for.
        LaunchError, UnreachableError: the engine could not start it.
    """
    cpus = start.cpuset
    if cpus is None and start.numa_node is not None:
        cpus = cpus_of_node(engine, image, start.numa_node)
    groups = groups_of_devices(engine, image, start.devices)
    words = " ".join(f"{door.host}:{door.port}" for door in doors)
    with engine.asked("looking from inside a container") as client:
        host = client.create_host_config(
            cap_drop=["ALL"],
            cpuset_cpus=cpus,
            cpuset_mems=None if start.numa_node is None else str(start.numa_node),
            devices=[f"{device}:{device}" for device in start.devices],
            group_add=[str(group) for group in groups],
            mem_limit=start.memory,
            memswap_limit=start.memory,
            network_mode=start.network,
            pid_mode="host",
            security_opt=["no-new-privileges"],
        )
        made = client.create_container(
            image,
            entrypoint=["sh"],
            command=["-c", f"{SCRIPT}\n{_MORE}", "sh", *start.devices],
            environment={**start.environment, "doors": words},
            healthcheck={"test": ["NONE"]},
            host_config=host,
            labels={LABEL: "1"},
        )
        try:
            client.start(made["Id"])
            client.wait(made["Id"], timeout=_TIMEOUT_S)
            said = client.logs(made["Id"], stdout=True, stderr=False)
        finally:
            _remove(engine, made["Id"])
    return said[:MAX_ANSWER_BYTES].decode(errors="replace")


def _remove(engine: Engine, container: str) -> None:
    with suppress(FleetmarkError, DockerException):
        engine.client().remove_container(container, force=True)
