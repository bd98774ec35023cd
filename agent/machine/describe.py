"""The machine's description. Every path is below `root`, so that recorded machines can be read too."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from agent.machine.probe import probe_devices
from protocol.machine import Configuration, Device, Fingerprint, MachineDescription
from protocol.version import __version__

__all__ = ["describe", "list_devices"]

_T = TypeVar("_T")

# The instruction sets for which OpenVINO has kernels of their own, as /proc/cpuinfo names them.
_ISA = (
    "sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "asimd", "asimddp", "asimdhp", "sve",
    "bf16",
)  # fmt: skip
_DEVICES_TIMEOUT_S = 120


def list_devices() -> dict[str, Any]:
    """What OpenVINO sees, asked in a process of its own.

    Raises:
        RuntimeError: the process failed; the message holds its last words.
    """
    try:
        done = subprocess.run(  # our own interpreter and module
            [sys.executable, "-I", "-m", "agent.machine.devices"],
            check=False,
            capture_output=True,
            timeout=_DEVICES_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"listing the devices took more than {_DEVICES_TIMEOUT_S} s") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()[-2000:]
        raise RuntimeError(f"listing the devices ended with code {done.returncode}: {words}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def describe(
    machine: str, *, root: Path = Path("/"), devices: Callable[[], dict[str, Any]] = list_devices
) -> MachineDescription:
    """Describe the machine below `root`; a fact that cannot be had is null, and `unknown` says why."""
    facts = _Facts(root)
    engine = facts.get("devices", devices) or {"version": "unknown", "devices": []}
    cpu = facts.get("cpu_model", facts.cpu_info) or {}
    flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
    cores = facts.get("physical_cores", facts.cores)
    if cpu and "model name" not in cpu:
        facts.unknown["cpu_model"] = "/proc/cpuinfo has no model name, as on most ARM machines"
    fingerprint = Fingerprint(
        architecture=platform.machine(),
        cpu_vendor=cpu.get("vendor_id") or cpu.get("CPU implementer"),
        cpu_model=cpu.get("model name"),
        sockets=len({package for package, _ in cores}) if cores else None,
        physical_cores=len(set(cores)) if cores else None,
        logical_cores=len(cores) if cores else None,
        isa=tuple(name for name in _ISA if name in flags),
        memory_gib=facts.get("memory_gib", facts.memory_gib),
        hypervisor="yes" if "hypervisor" in flags else None,
        devices=tuple(Device.model_validate(device) for device in engine["devices"]),
    )
    configuration = Configuration(
        os=facts.get("os", facts.os_name),
        kernel=platform.release(),
        governor=facts.get("governor", facts.governor),
        usable_cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        openvino=engine["version"],
        fleetmark=__version__,
    )
    return MachineDescription(
        machine=machine,
        collected_at=datetime.now(UTC),
        fingerprint=fingerprint,
        configuration=configuration,
        unknown=facts.unknown,
        probe=probe_devices([device.name for device in fingerprint.devices]),
    )


@dataclass
class _Facts:
    root: Path
    unknown: dict[str, str] = field(default_factory=dict)

    def get(self, name: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            self.unknown[name] = str(error)[:2000]
            return None

    def cpu_info(self) -> dict[str, str]:
        """The first processor's lines of /proc/cpuinfo."""
        info = {}
        for line in (self.root / "proc/cpuinfo").read_text().splitlines():
            key, colon, value = line.partition(":")
            if not colon:
                break
            info[key.strip()] = value.strip()
        return info

    def cores(self) -> list[tuple[str, str]]:
        """(package, core) of every logical processor."""
        found = [
            ((folder / "physical_package_id").read_text().strip(), (folder / "core_id").read_text().strip())
            for folder in sorted((self.root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology"))
        ]
        if not found:
            raise ValueError("/sys/devices/system/cpu lists no processor with a topology")
        return found

    def memory_gib(self) -> float:
        for line in (self.root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return round(int(line.split()[1]) / (1 << 20), 1)
        raise ValueError("/proc/meminfo has no MemTotal")

    def os_name(self) -> str:
        for line in (self.root / "etc/os-release").read_text().splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip('"')
        raise ValueError("/etc/os-release has no PRETTY_NAME")

    def governor(self) -> str:
        path = self.root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
        if not path.exists():
            raise ValueError("the kernel shows no frequency scaling here, as in most virtual machines")
        return path.read_text().strip()
