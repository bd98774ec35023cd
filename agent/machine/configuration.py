"""How the machine is set up: what changes results and can be changed."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agent.machine.files import Facts, Tree, UnreadableError, parse_cpus
from agent.worker.cgroups import ControlGroups
from agent.worker.conditions import timer_resolution_ns
from protocol.machine import Configuration
from protocol.version import __version__

__all__ = ["Process", "read_configuration"]

_POLICIES = "sys/devices/system/cpu/cpufreq/policy[0-9]*"
_NO_SCALING = "the kernel shows no frequency scaling here, as in most virtual machines"
_PARAMETERS = {
    "isolcpus", "nohz", "nohz_full", "rcu_nocbs", "irqaffinity", "mitigations", "spectre_v2", "spectre_bhi",
    "spec_store_bypass_disable", "spec_rstack_overflow", "retbleed", "l1tf", "mds", "tsx", "srbds",
    "gather_data_sampling", "reg_file_data_sampling", "pti", "nopti", "nospectre_v1", "nospectre_v2",
    "intel_pstate", "amd_pstate", "intel_idle.max_cstate", "processor.max_cstate", "idle", "cpuidle.off",
    "cpuidle.governor", "cpufreq.default_governor", "cpufreq.off", "transparent_hugepage", "hugepages",
    "hugepagesz", "default_hugepagesz", "numa", "numa_balancing", "nosmt", "maxcpus", "nr_cpus", "mem", "tsc",
    "clocksource", "nowatchdog", "nmi_watchdog", "preempt", "intel_iommu", "amd_iommu", "iommu", "audit",
    "skew_tick", "psi", "split_lock_detect", "threadirqs", "norandmaps", "nokaslr",
}  # fmt: skip
_PLAIN = re.compile(r"[\w.,:=+*(){}-]{0,200}", re.ASCII)
"""Values that are shown: nothing that could be a path, an address with a user, or a sentence."""
_VARIABLES = ("OMP_", "KMP_", "GOMP_", "ONEDNN_", "DNNL_", "OV_", "OPENVINO_", "OPENBLAS_", "MKL_", "TBB_")
_NO_MEMORY_LIMIT = 1 << 60
"""Version 1 of control groups writes the largest number of pages that there can be."""
_ACCELERATORS = ("sys/class/drm/renderD[0-9]*", "sys/class/accel/accel[0-9]*")
_MICROWATT = 1e-6


@dataclass(frozen=True)
class Process:
    """What the agent's own process knows, and no file below the root."""

    architecture: str = field(default_factory=platform.machine)
    affinity: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    python: str = field(default_factory=platform.python_version)
    timer_resolution_ns: int = field(default_factory=timer_resolution_ns)


def read_configuration(
    tree: Tree, facts: Facts, *, process: Process, openvino: str, drivers: Mapping[str, str]
) -> Configuration:
    """The configuration; `facts` gets the reason of each null.

    Args:
        tree: Where /proc and /sys are.
        facts: Collects reasons.
        process: What is not in files.
        openvino: Its version and build.
        drivers: Versions of drivers that OpenVINO tells, by device.
    """
    limit = facts.get("cpu_limit_cores", lambda: _cpu_limit(tree))
    frequency = _Frequency(tree)
    return Configuration(
        os=facts.get("os", lambda: _os_name(tree)),
        kernel=facts.get("kernel", lambda: tree.text("proc/sys/kernel/osrelease")),
        kernel_parameters=facts.get("kernel_parameters", lambda: _kernel_parameters(tree)),
        microcode=facts.get("microcode", lambda: _microcode(tree)),
        bios_version=facts.get("bios_version", lambda: tree.text("sys/class/dmi/id/bios_version")),
        bios_date=facts.get("bios_date", lambda: tree.text("sys/class/dmi/id/bios_date")),
        governor=facts.get("governor", lambda: frequency.words("scaling_governor")),
        frequency_driver=facts.get("frequency_driver", lambda: frequency.words("scaling_driver")),
        energy_preference=facts.get(
            "energy_preference", lambda: frequency.words("energy_performance_preference")
        ),
        platform_profile=facts.get(
            "platform_profile", lambda: tree.text("sys/firmware/acpi/platform_profile")
        ),
        turbo=facts.get("turbo", lambda: _turbo(tree)),
        min_frequency_hz=facts.get("min_frequency_hz", lambda: min(frequency.hertz("scaling_min_freq"))),
        max_frequency_hz=facts.get("max_frequency_hz", lambda: max(frequency.hertz("scaling_max_freq"))),
        power_limits_w=facts.get("power_limits_w", lambda: _power_limits(tree)),
        huge_pages=facts.get(
            "huge_pages", lambda: _chosen(tree, "sys/kernel/mm/transparent_hugepage/enabled")
        ),
        mitigations=facts.get("mitigations", lambda: _mitigations(tree)),
        address_randomisation=facts.get(
            "address_randomisation", lambda: tree.number("proc/sys/kernel/randomize_va_space")
        ),
        isolated_cpus=facts.get("isolated_cpus", lambda: _cpu_list(tree, "isolated")),
        nohz_full_cpus=facts.get("nohz_full_cpus", lambda: _cpu_list(tree, "nohz_full")),
        swap_bytes=facts.get("swap_bytes", lambda: _swap(tree)),
        drivers=facts.get("drivers", lambda: {**_drivers(tree), **drivers}),
        container=_container(tree, process.environment),
        cpuset=facts.get("cpuset", lambda: _cpuset(tree)),
        cpu_limit_cores=limit,
        memory_limit_bytes=facts.get("memory_limit_bytes", lambda: _memory_limit(tree)),
        usable_cores=min(process.affinity, limit or process.affinity),
        clock_source=facts.get(
            "clock_source",
            lambda: tree.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        ),
        timer_resolution_ns=process.timer_resolution_ns,
        environment=_environment(process.environment),
        python=process.python,
        numpy=facts.get("numpy", _numpy),
        openvino=openvino,
        fleetmark=__version__,
    )


class _Frequency:
    """What the frequency policies say, each of which rules one core or several."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._policies = tree.find(_POLICIES)

    def words(self, name: str) -> str:
        return ", ".join(sorted({self._tree.text(f"{policy}/{name}") for policy in self._required()}))

    def hertz(self, name: str) -> list[int]:
        return [1000 * self._tree.number(f"{policy}/{name}") for policy in self._required()]

    def _required(self) -> list[str]:
        if not self._policies:
            raise UnreadableError(_NO_SCALING)
        return self._policies


def _os_name(tree: Tree) -> str:
    for line in tree.text("etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    raise UnreadableError("/etc/os-release has no PRETTY_NAME")


def _kernel_parameters(tree: Tree) -> tuple[str, ...]:
    shown = []
    for word in tree.text("proc/cmdline").split():
        if word == "--":
            break  # what follows is for the first program and not for the kernel
        name, _, value = word.partition("=")
        if name in _PARAMETERS and _PLAIN.fullmatch(value):
            shown.append(word)
    return tuple(shown)


def _microcode(tree: Tree) -> str:
    if tree.exists("sys/devices/system/cpu/cpu0/microcode/version"):
        return tree.text("sys/devices/system/cpu/cpu0/microcode/version")
    for line in tree.text("proc/cpuinfo").splitlines():
        if line.startswith("microcode"):
            return line.partition(":")[2].strip()
    raise UnreadableError("the kernel names no microcode here")


def _turbo(tree: Tree) -> bool:
    if tree.exists("sys/devices/system/cpu/intel_pstate/no_turbo"):
        return tree.number("sys/devices/system/cpu/intel_pstate/no_turbo") == 0
    if tree.exists("sys/devices/system/cpu/cpufreq/boost"):
        return tree.number("sys/devices/system/cpu/cpufreq/boost") == 1
    raise UnreadableError("the kernel shows neither intel_pstate/no_turbo nor cpufreq/boost")


def _power_limits(tree: Tree) -> dict[str, float]:
    limits = {}
    for path in tree.find("sys/class/powercap/*rapl:[0-9]*/constraint_[0-9]_power_limit_uw"):
        folder, _, name = path.rpartition("/")
        if folder.count(":") != 1:
            continue  # a part of a package, and not the package
        number = name.split("_")[1]
        domain, constraint = tree.text(f"{folder}/name"), tree.text(f"{folder}/constraint_{number}_name")
        limits[f"{domain} {constraint}"] = round(tree.number(path) * _MICROWATT, 3)
    if not limits:
        raise UnreadableError("/sys/class/powercap shows no power limits")
    return limits


def _chosen(tree: Tree, path: str) -> str:
    """The word in brackets: `always [madvise] never`."""
    text = tree.text(path)
    chosen = re.search(r"\[(\w+)\]", text)
    return chosen[1] if chosen else text


def _mitigations(tree: Tree) -> dict[str, str]:
    folder = "sys/devices/system/cpu/vulnerabilities"
    found = {path.rpartition("/")[2]: tree.text(path) for path in tree.find(f"{folder}/*")}
    if not found:
        raise UnreadableError(f"/{folder} is not there")
    return found


def _cpu_list(tree: Tree, name: str) -> tuple[int, ...]:
    """An empty file is an empty list; `(null)` is how some kernels write it."""
    path = tree.root / "sys/devices/system/cpu" / name
    try:
        return parse_cpus(path.read_text())
    except OSError as error:
        raise UnreadableError(f"/sys/devices/system/cpu/{name}: {error.strerror}") from error


def _swap(tree: Tree) -> int:
    for line in tree.text("proc/meminfo").splitlines():
        if line.startswith("SwapTotal:"):
            return int(line.split()[1]) << 10
    raise UnreadableError("/proc/meminfo has no SwapTotal")


def _drivers(tree: Tree) -> dict[str, str]:
    found = {}
    for pattern in _ACCELERATORS:
        for folder in tree.find(pattern):
            name = tree.link(f"{folder}/device/driver")
            path = f"sys/module/{name}/version"
            found[name] = tree.text(path) if tree.exists(path) else "of the kernel"
    return found


def _container(tree: Tree, environment: Mapping[str, str]) -> str:
    if "KUBERNETES_SERVICE_HOST" in environment:
        return "kubernetes"
    if tree.exists(".dockerenv"):
        return "docker"
    if tree.exists("run/.containerenv"):
        return "podman"
    try:
        groups = tree.text("proc/self/cgroup")
    except UnreadableError:
        groups = ""
    for sign, name in (("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman")):
        # A path of this process's own, and not the service of that name.
        if re.search(rf"[:/]{sign}[-/]", groups):
            return name
    return "other" if "container" in environment or "/lxc/" in groups else "none"


def _cpuset(tree: Tree) -> tuple[int, ...]:
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    for folder in ControlGroups(tree.root).levels("cpuset"):
        for name in names:
            path = (folder / name).relative_to(tree.root).as_posix()
            if tree.exists(path):
                return parse_cpus(tree.text(path))
    raise UnreadableError("the control groups show no cpuset")


def _cpu_limit(tree: Tree) -> float | None:
    return min((limit for _, limit in _groups(tree).cpu_limits()), default=None)


def _memory_limit(tree: Tree) -> int | None:
    limits = []
    for folder in _groups(tree).levels("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            path = (folder / name).relative_to(tree.root).as_posix()
            if tree.exists(path) and (text := tree.text(path)) != "max":
                limits.append(int(text))
    return min((limit for limit in limits if limit < _NO_MEMORY_LIMIT), default=None)


def _groups(tree: Tree) -> ControlGroups:
    if not tree.exists("proc/self/cgroup"):
        raise UnreadableError("/proc/self/cgroup is not there")
    return ControlGroups(tree.root)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value if _PLAIN.fullmatch(value) else "(set; its value is not shown)"
        for name, value in sorted(environment.items())
        if name.startswith(_VARIABLES)
    }


def _numpy() -> Any:
    try:
        return version("numpy")
    except PackageNotFoundError as error:
        raise UnreadableError("numpy is not installed") from error
