"""What a machine is. An unknown fact is null, and `unknown` says why."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from protocol.documents import Document, Record
from protocol.layout import MachineName
from protocol.probe import DeviceProbe

__all__ = ["Configuration", "Device", "Fingerprint", "MachineDescription"]


class Device(Record):
    """A device as OpenVINO sees it."""

    name: str
    """`CPU`, `GPU.0`, `NPU`, …"""
    full_name: str | None = None
    architecture: str | None = None
    capabilities: tuple[str, ...] = ()


class Fingerprint(Record):
    """Stable across reboots: the key of comparability. No serial numbers, no addresses."""

    architecture: str
    cpu_vendor: str | None = None
    cpu_model: str | None = None
    sockets: int | None = None
    physical_cores: int | None = None
    logical_cores: int | None = None
    isa: tuple[str, ...] = ()
    """The instruction sets that matter to OpenVINO, of those that the CPU has."""
    memory_gib: float | None = None
    hypervisor: str | None = None
    devices: tuple[Device, ...] = ()


class Configuration(Record):
    """What changes results and can be changed: the same machine, set up differently."""

    os: str | None = None
    kernel: str | None = None
    governor: str | None = None
    usable_cores: int
    """Logical processors that the agent may run on: its affinity, and so a container's cpuset, counts."""
    python: str
    openvino: str
    fleetmark: str


class MachineDescription(Document):
    """What an agent found out about the machine that it runs on."""

    kind: ClassVar[str] = "machine"

    machine: MachineName
    collected_at: AwareDatetime
    fingerprint: Fingerprint
    configuration: Configuration
    unknown: dict[str, str] = Field(default_factory=dict)
    """Why a fact is null: name of the field to a sentence."""
    probe: tuple[DeviceProbe, ...] = ()
    """What each device, and AUTO, says of itself by hint."""
