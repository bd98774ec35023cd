"""What a machine is. An unknown fact is null, and `unknown` says why."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from pydantic import AwareDatetime, Field

from protocol.documents import Document, Record, canonical_json
from protocol.layout import MachineName
from protocol.probe import DeviceProbe

__all__ = ["Cache", "Configuration", "Device", "Fingerprint", "MachineDescription"]


class Device(Record):
    """A device as OpenVINO sees it."""

    name: str
    """`CPU`, `GPU.0`, `NPU`, …"""
    full_name: str | None = None
    architecture: str | None = None
    capabilities: tuple[str, ...] = ()
    memory_bytes: int | None = None
    """A GPU's, where its plugin tells."""
    uuid_sha256: str | None = None
    """Tells two equal devices apart without saying what the device's own id is."""


class Cache(Record):
    """Caches of one kind: how many there are, and how large each is."""

    level: int
    type: str
    """`Data`, `Instruction` or `Unified`."""
    size_bytes: int
    count: int


class Fingerprint(Record):
    """Stable across reboots: the key of comparability. No serial numbers, no addresses."""

    architecture: str
    cpu_vendor: str | None = None
    cpu_family: int | None = None
    cpu_model_number: int | None = None
    """On ARM the part number."""
    cpu_stepping: int | None = None
    """On ARM the revision."""
    cpu_model: str | None = None
    """The brand, as the CPU says; on ARM the name of the core's design."""
    sockets: int | None = None
    physical_cores: int | None = None
    logical_cores: int | None = None
    performance_cores: int | None = None
    """Physical cores of the fast kind; all of them where there is one kind."""
    efficient_cores: int | None = None
    smt: bool | None = None
    """Whether a core runs several threads at once."""
    isa: tuple[str, ...] = ()
    """The instruction sets that matter to OpenVINO, of those that the CPU has."""
    caches: tuple[Cache, ...] = ()
    numa_nodes: int | None = None
    memory_gib: float | None = None
    """To whole GiB, below 4 GiB to halves: what the kernel keeps for itself differs from boot to boot."""
    hypervisor: str | None = None
    """Its name; `unnamed` where only its presence is known, `none` on bare metal."""
    devices: tuple[Device, ...] = ()

    @property
    def key(self) -> str:
        """SHA-256 over the hardware: two machines with the same key are alike.

        What is unknown does not count, nor what another OpenVINO says otherwise of the same device (its
        capabilities), nor what tells equal devices apart (their ids).
        """
        facts = self.model_dump(
            mode="json",
            exclude_none=True,
            exclude={"devices": {"__all__": {"capabilities", "uuid_sha256"}}},
        )
        return hashlib.sha256(canonical_json(facts)).hexdigest()


class Configuration(Record):
    """What changes results and can be changed: the same machine, set up differently."""

    os: str | None = None
    kernel: str | None = None
    kernel_parameters: tuple[str, ...] | None = None
    """Of the kernel's command line what bears on speed, and nothing else of it."""
    microcode: str | None = None
    bios_version: str | None = None
    bios_date: str | None = None
    governor: str | None = None
    """The frequency governor; several where cores differ."""
    frequency_driver: str | None = None
    energy_preference: str | None = None
    """The energy-performance preference (EPP)."""
    platform_profile: str | None = None
    turbo: bool | None = None
    min_frequency_hz: int | None = None
    """The lowest limit of any core."""
    max_frequency_hz: int | None = None
    """The highest limit of any core."""
    power_limits_w: dict[str, float] | None = None
    """By RAPL domain and constraint: `package-0 long_term`."""
    huge_pages: str | None = None
    """Transparent huge pages: `always`, `madvise` or `never`."""
    mitigations: dict[str, str] | None = None
    """What the kernel does about each weakness of the CPU."""
    address_randomisation: int | None = None
    """`randomize_va_space`: 2 is the usual."""
    isolated_cpus: tuple[int, ...] | None = None
    nohz_full_cpus: tuple[int, ...] | None = None
    swap_bytes: int | None = None
    drivers: dict[str, str] | None = None
    """Driver of each GPU and NPU to its version; `of the kernel` for one without a version of its own."""
    container: str | None = None
    """`docker`, `podman`, `kubernetes`, `other`, or `none`."""
    cpuset: tuple[int, ...] | None = None
    """Logical processors that the control group allows."""
    cpu_limit_cores: float | None = None
    """The control group's CPU time per time; null without an entry in `unknown`: no limit."""
    memory_limit_bytes: int | None = None
    """The control group's; null without an entry in `unknown`: no limit."""
    usable_cores: float
    """Logical processors that the agent can use at a time: its affinity, or the CPU limit if that is less."""
    clock_source: str | None = None
    timer_resolution_ns: int | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables that steer OpenVINO and its libraries, where they are set."""
    python: str
    numpy: str | None = None
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
