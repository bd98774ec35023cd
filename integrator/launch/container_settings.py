"""What an agent's container is made of: labels, limits, the archive with its account. Pure."""

from __future__ import annotations

import io
import tarfile
import time
from typing import Any

from docker.api.client import APIClient
from docker.errors import NotFound
from docker.types import LogConfig

from integrator.config.docker_start import DockerStart
from integrator.launch.interface import Order

__all__ = [
    "CAMPAIGN_LABEL",
    "CAPABILITIES",
    "LABELS_OF_THE_SAME",
    "WORK",
    "container_name",
    "container_settings",
    "hand_over_archive",
    "handed_over",
    "host_settings",
    "is_ours",
    "labels",
]

WORK = "/var/lib/fleetmark"
"""The volume: models, results that wait, compiled models, the account."""
ACCOUNT_NAME = "account.json"
USER_ID = 10001
"""The user `fleetmark` of the images."""

CAMPAIGN_LABEL = "fleetmark.campaign"
MACHINE_LABEL = "fleetmark.machine"
ORDER_LABEL = "fleetmark.order"
OPENVINO_LABEL = "fleetmark.openvino"
LABELS_OF_THE_SAME = (CAMPAIGN_LABEL, MACHINE_LABEL, OPENVINO_LABEL)
"""A container with the same values is that of the same order, whichever start it was."""

CAPABILITIES = ("SYS_NICE",)
"""Without it Docker's seccomp profile forbids `mbind`, by which OpenVINO's CPU plugin puts weights into the
memory of the socket that computes with them: a machine with several sockets would be slower inside than
outside. The agent is not root and may not become it, so it gets the system calls and not the capability."""

_MAX_ACCOUNT_BYTES = 1 << 20


def container_name(machine: str) -> str:
    """The name of the one container that a machine's agent has."""
    return f"fleetmark-agent-{machine}"


def labels(machine: str, order: Order) -> dict[str, str]:
    """What `docker ps` can be asked for, and what an interrupted campaign finds its agents by."""
    return {
        CAMPAIGN_LABEL: order.campaign,
        MACHINE_LABEL: machine,
        ORDER_LABEL: str(order.number),
        OPENVINO_LABEL: order.openvino or "",
    }


def is_ours(found: dict[str, Any]) -> bool:
    """Whether fleetmark made an inspected container."""
    return CAMPAIGN_LABEL in (found["Config"]["Labels"] or {})


def container_settings(start: DockerStart, machine: str, order: Order) -> dict[str, Any]:
    """What `create_container` is given beside the host's settings. The image's entry point is the agent."""
    once = ("--once", "--campaign", order.campaign, "--hand-over")
    return {
        "command": ["--account", f"{WORK}/{ACCOUNT_NAME}", "--work", WORK, *once],
        "environment": dict(start.environment),
        "labels": labels(machine, order),
        "hostname": None if start.network == "host" else machine.replace("_", "-")[:63],
        # A health check of the image would be other load while a run measures; heartbeats tell as much.
        "healthcheck": {"test": ["NONE"]},
        "stop_signal": "SIGTERM",
    }


def host_settings(
    start: DockerStart,
    machine: str,
    *,
    cpus: str | None,
    groups: tuple[int, ...],
    capabilities: tuple[str, ...] = CAPABILITIES,
) -> dict[str, Any]:
    """What `create_host_config` is given.

    Args:
        start: As in lab.yaml.
        machine: The machine's name.
        cpus: CPUs that the container may use; None: all.
        groups: Groups, by number, that may open the devices.
        capabilities: Those of `CAPABILITIES` that the engine can give.
    """
    return {
        "binds": [f"{start.volume_for(machine)}:{WORK}"],
        "cap_add": list(capabilities),
        "cap_drop": ["ALL"],
        "cpuset_cpus": cpus,
        "cpuset_mems": None if start.numa_node is None else str(start.numa_node),
        "devices": [f"{device}:{device}" for device in start.devices],
        "group_add": [str(group) for group in groups],
        "log_config": LogConfig(type="json-file", config={"max-size": "10m", "max-file": "2"}),
        "mem_limit": start.memory,
        "memswap_limit": start.memory,
        "network_mode": start.network,
        "restart_policy": {"Name": "no"},
        "security_opt": ["no-new-privileges"],
        "shm_size": start.shm,
    }


def hand_over_archive(account: bytes) -> bytes:
    """A tar with the account, for the agent's user alone."""
    entry = tarfile.TarInfo(ACCOUNT_NAME)
    entry.size, entry.mode, entry.mtime = len(account), 0o600, int(time.time())
    entry.uid = entry.gid = USER_ID
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(account))
    return buffer.getvalue()


def handed_over(client: APIClient, container: str) -> bytes:
    """The account that lies in a container's volume; empty where there is none."""
    try:
        chunks, _ = client.get_archive(container, f"{WORK}/{ACCOUNT_NAME}")
    except NotFound:
        return b""
    data = b"".join(chunks)
    if len(data) > _MAX_ACCOUNT_BYTES:
        return b""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entry = archive.next()
        file = archive.extractfile(entry) if entry is not None and entry.isfile() else None
        private = entry is not None and entry.mode & 0o077 == 0 and entry.uid == USER_ID
        return file.read() if file and private else b""
