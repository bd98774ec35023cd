"""What doctor found: a status for each check of each machine, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from protocol.documents import Document, Record
from protocol.layout import MachineName

__all__ = ["Check", "Finding", "Health", "LabHealth", "MachineHealth", "worst"]


class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """The campaign runs, and its numbers may suffer."""
    FAIL = "fail"
    """The campaign would not run here."""
    UNKNOWN = "unknown"
    """It could not be found out; the finding says why."""


class Check(StrEnum):
    """What is looked at, in the order of the table."""

    REACHABLE = "reachable"
    HOST_KEY = "host key"
    LOGIN = "login"
    DOCKER = "Docker"
    DISK = "disk"
    MEMORY = "memory"
    IMAGE = "image"
    DEVICES = "devices"
    CLOCK = "clock"
    SERVER = "FTP server"
    GOVERNOR = "governor"
    ENERGY = "energy preference"
    PROFILE = "platform profile"
    TURBO = "turbo"
    LOAD = "other load"
    STEAL = "stolen time"
    LIMITS = "CPU limits"
    THREADS = "hyper-threads"
    ISOLATED = "isolated CPUs"
    SWAP = "swap"
    HUGE_PAGES = "huge pages"
    RANDOMISATION = "address randomisation"
    NUMA = "NUMA balancing"
    POWER = "power supply"
    THROTTLED = "throttling"


class Finding(Record):
    """One check of one machine."""

    check: Check
    health: Health
    said: str
    """What was found, in words."""
    remedy: str = ""
    """What to do about it, in one sentence; empty where nothing is to be done."""


class MachineHealth(Record):
    """All checks of one machine, in the order in which they are shown."""

    machine: MachineName
    way: str
    """How it is reached: `local`, `waiting`, or the engine's address without a secret."""
    seconds: float
    """How long its checks took."""
    findings: tuple[Finding, ...]

    @property
    def health(self) -> Health:
        """Of the machine: that of its worst finding."""
        return worst([finding.health for finding in self.findings])


class LabHealth(Document):
    """What `doctor --lab --json` prints."""

    kind: ClassVar[str] = "report of doctor"

    lab: str
    checked_at: AwareDatetime
    machines: tuple[MachineHealth, ...]

    @property
    def health(self) -> Health:
        """Of the lab: that of its worst machine."""
        return worst([machine.health for machine in self.machines])


_ORDER = (Health.FAIL, Health.WARN, Health.UNKNOWN, Health.OK)


def worst(healths: Sequence[Health]) -> Health:
    """The one that is to be looked at first; nothing at all is unknown."""
    return min(healths, key=_ORDER.index, default=Health.UNKNOWN)
