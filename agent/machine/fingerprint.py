"""The hardware: what stays the same across reboots."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from agent.machine.files import Facts, Tree, UnreadableError, parse_cpus
from protocol.machine import Cache, Device, Fingerprint

__all__ = ["read_fingerprint"]

# The instruction sets for which OpenVINO has kernels of their own, as /proc/cpuinfo names them.
_ISA = (
    "sse4_2", "avx", "avx2", "fma", "avx_vnni", "avx_vnni_int8", "avx512f", "avx512bw", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "asimd", "asimddp",
    "asimdhp", "sve", "sve2", "bf16", "i8mm", "sme",
)  # fmt: skip
_CPUS = "sys/devices/system/cpu"
_ARM_VENDORS = {
    0x41: "ARM",
    0x4E: "NVIDIA",
    0x48: "HiSilicon",
    0x51: "Qualcomm",
    0x61: "Apple",
    0xC0: "Ampere",
}
_ARM_PARTS = {
    0xD03: "Cortex-A53", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72", 0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76", 0xD0C: "Neoverse-N1", 0xD40: "Neoverse-V1", 0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE", 0xD44: "Cortex-X1", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710",
    0xD48: "Cortex-X2", 0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2", 0xD80: "Cortex-A520", 0xD81: "Cortex-A720", 0xD8E: "Neoverse-N3",
}  # fmt: skip
# In vendor or product of the DMI tables. Cloud providers rent bare machines too: see `_hypervisor`.
_HYPERVISORS = (
    ("Firecracker", "Firecracker"),
    ("KVM", "KVM"),
    ("QEMU", "QEMU"),
    ("VMware", "VMware"),
    ("VirtualBox", "VirtualBox"),
    ("Xen", "Xen"),
    ("Parallels", "Parallels"),
    ("Virtual Machine", "Hyper-V"),
    ("Amazon EC2", "Amazon EC2"),
    ("Google Compute Engine", "Google Compute Engine"),
    ("Alibaba Cloud", "Alibaba Cloud"),
    ("OpenStack", "OpenStack"),
)
_FAST = 0.75
"""A core with at least this share of the largest capacity is a fast one."""
_GIB_IN_KIB = 1 << 20
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def read_fingerprint(
    tree: Tree, facts: Facts, *, architecture: str, devices: list[dict[str, Any]]
) -> Fingerprint:
    """The fingerprint; `facts` gets the reason of each null.

    Args:
        tree: Where /proc and /sys are.
        facts: Collects reasons.
        architecture: As `uname -m` says.
        devices: The fields of `protocol.machine.Device`, as OpenVINO says.
    """
    cpu = _Cpu(tree, facts)
    flags = set((cpu.info.get("flags") or cpu.info.get("Features") or "").split())
    if not flags:
        facts.unknown["isa"] = "/proc/cpuinfo lists no features of the CPU"
    cores = facts.get("physical_cores", lambda: _cores(tree))
    if cores is None:
        facts.unknown["logical_cores"] = facts.unknown["physical_cores"]
    hypervisor = facts.get("hypervisor", lambda: _hypervisor(tree, flags, architecture))
    kinds = facts.get("performance_cores", lambda: _kinds(tree, cores, hypervisor))
    if kinds is None:
        facts.unknown["efficient_cores"] = facts.unknown["performance_cores"]
    return Fingerprint(
        architecture=architecture,
        cpu_vendor=facts.get("cpu_vendor", cpu.vendor),
        cpu_family=facts.get("cpu_family", lambda: cpu.number("cpu family", "CPU architecture")),
        cpu_model_number=facts.get("cpu_model_number", lambda: cpu.number("model", "CPU part")),
        cpu_stepping=facts.get("cpu_stepping", lambda: cpu.number("stepping", "CPU revision")),
        cpu_model=facts.get("cpu_model", cpu.model),
        sockets=facts.get("sockets", lambda: _sockets(tree)),
        physical_cores=len(set(cores.values())) if cores else None,
        logical_cores=len(cores) if cores else None,
        performance_cores=kinds[0] if kinds else None,
        efficient_cores=kinds[1] if kinds else None,
        smt=facts.get("smt", lambda: _smt(tree, cores)),
        isa=tuple(name for name in _ISA if name in flags),
        caches=facts.get("caches", lambda: _caches(tree)) or (),
        numa_nodes=facts.get("numa_nodes", lambda: _numa_nodes(tree)),
        memory_gib=facts.get("memory_gib", lambda: _memory_gib(tree)),
        hypervisor=hypervisor,
        devices=tuple(Device.model_validate(device) for device in devices),
    )


class _Cpu:
    """The first processor's lines of /proc/cpuinfo, and the designs of all."""

    def __init__(self, tree: Tree, facts: Facts) -> None:
        self.info: dict[str, str] = {}
        text = facts.get("cpu_model", lambda: tree.text("proc/cpuinfo")) or ""
        # A machine may have cores of several designs, each listed with its own part number.
        self.parts = sorted(
            {int(part, 0) for part in re.findall(r"^CPU part\s*: (\w+)$", text, re.MULTILINE)}
        )
        for line in text.splitlines():
            key, colon, value = line.partition(":")
            if not colon:
                break
            self.info[key.strip()] = value.strip()

    def number(self, *names: str) -> int:
        for name in names:
            if name in self.info:
                return int(self.info[name], 0)
        raise UnreadableError(f"/proc/cpuinfo has no {names[0]!r}")

    def vendor(self) -> str:
        if "vendor_id" in self.info:
            return self.info["vendor_id"]
        code = self.number("CPU implementer")
        return _ARM_VENDORS.get(code, f"implementer {code:#x}")

    def model(self) -> str:
        if "model name" in self.info:
            return self.info["model name"]
        if self.info.get("CPU implementer") != "0x41":
            raise UnreadableError("/proc/cpuinfo has no model name, as on most ARM machines")
        unknown = [part for part in self.parts if part not in _ARM_PARTS]
        if unknown or not self.parts:
            words = ", ".join(f"{part:#x}" for part in unknown) or "without a number"
            raise UnreadableError(
                f"/proc/cpuinfo has no model name, and ARM's part {words} is not known here"
            )
        return " + ".join(_ARM_PARTS[part] for part in self.parts)


def _cores(tree: Tree) -> dict[int, str]:
    """Of each logical processor the ones that share its core, itself included."""
    cores = {}
    for folder in tree.find(f"{_CPUS}/cpu[0-9]*/topology"):
        number = int(folder.split("/")[-2].removeprefix("cpu"))
        name = "core_cpus_list" if tree.exists(f"{folder}/core_cpus_list") else "thread_siblings_list"
        cores[number] = tree.text(f"{folder}/{name}")
    if not cores:
        raise UnreadableError(f"/{_CPUS} lists no processor with a topology")
    return cores


def _sockets(tree: Tree) -> int:
    packages = {tree.number(path) for path in tree.find(f"{_CPUS}/cpu[0-9]*/topology/physical_package_id")}
    if packages == {-1}:
        raise UnreadableError("the firmware does not say which package a core is in")
    if not packages:
        raise UnreadableError(f"/{_CPUS} lists no processor with a topology")
    return len(packages)


def _smt(tree: Tree, cores: dict[int, str] | None) -> bool:
    if tree.exists(f"{_CPUS}/smt/active"):
        return tree.number(f"{_CPUS}/smt/active") == 1
    if cores is None:
        raise UnreadableError(f"/{_CPUS} says nothing of threads")
    return len(set(cores.values())) < len(cores)


def _kinds(tree: Tree, cores: dict[int, str] | None, hypervisor: str | None) -> tuple[int, int]:
    """Fast and slow physical cores."""
    if cores is None:
        raise UnreadableError(f"/{_CPUS} lists no processor with a topology")

    def physical(cpus: set[int]) -> int:
        return len({cores[cpu] for cpu in cpus if cpu in cores})

    # Hybrid Intel: each kind of core has performance counters of its own.
    if tree.exists("sys/devices/cpu_core/cpus") and tree.exists("sys/devices/cpu_atom/cpus"):
        fast = set(parse_cpus(tree.text("sys/devices/cpu_core/cpus")))
        return physical(fast), physical(set(parse_cpus(tree.text("sys/devices/cpu_atom/cpus"))))
    capacities = {
        int(path.split("/")[-2].removeprefix("cpu")): tree.number(path)
        for path in tree.find(f"{_CPUS}/cpu[0-9]*/cpu_capacity")
    }
    fast = {cpu for cpu, value in capacities.items() if value >= _FAST * max(capacities.values())}
    if len(fast) < len(capacities):
        return physical(fast), physical(set(capacities) - fast)
    if hypervisor not in {"none", None}:
        raise UnreadableError("a hypervisor does not show its guests of what kind their cores are")
    return len(set(cores.values())), 0


def _caches(tree: Tree) -> tuple[Cache, ...]:
    found = set()
    for folder in tree.find(f"{_CPUS}/cpu[0-9]*/cache/index[0-9]*"):
        size = tree.text(f"{folder}/size")
        found.add(
            (
                tree.number(f"{folder}/level"),
                tree.text(f"{folder}/type"),
                int(size[:-1]) * _UNITS[size[-1]],
                tree.text(f"{folder}/shared_cpu_list"),
            )
        )
    if not found:
        raise UnreadableError(f"/{_CPUS} lists no caches")
    counted = Counter(entry[:3] for entry in found)
    return tuple(
        Cache(level=level, type=kind, size_bytes=size, count=counted[level, kind, size])
        for level, kind, size in sorted(counted, key=lambda entry: (entry[0], entry[1], -entry[2]))
    )


def _numa_nodes(tree: Tree) -> int:
    nodes = tree.find("sys/devices/system/node/node[0-9]*")
    if not nodes:
        raise UnreadableError("/sys/devices/system/node lists none: a kernel built without NUMA")
    return len(nodes)


def _memory_gib(tree: Tree) -> float:
    for line in tree.text("proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            gib = int(line.split()[1]) / _GIB_IN_KIB
            return float(round(gib)) if gib >= 4 else round(2 * gib) / 2  # noqa: PLR2004
    raise UnreadableError("/proc/meminfo has no MemTotal")


def _hypervisor(tree: Tree, flags: set[str], architecture: str) -> str:
    if tree.exists("sys/hypervisor/type"):
        return {"xen": "Xen"}.get(name := tree.text("sys/hypervisor/type"), name)
    dmi = [
        tree.text(path)
        for path in ("sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name")
        if tree.exists(path)
    ]
    x86 = architecture in {"x86_64", "i686"}
    if x86 and flags and "hypervisor" not in flags:
        return "none"
    if not any(".metal" in text for text in dmi):
        for sign, name in _HYPERVISORS:
            if any(sign in text for text in dmi):
                return name
    if "hypervisor" in flags:
        return "unnamed"
    if tree.exists("sys/firmware/devicetree/base/hypervisor/compatible"):
        return {"linux,kvm": "KVM", "xen,xen": "Xen"}.get(
            name := tree.text("sys/firmware/devicetree/base/hypervisor/compatible").split("\0")[0], name
        )
    if dmi or tree.exists("sys/firmware/devicetree/base/model"):
        return "none"
    raise UnreadableError("neither DMI nor a device tree can be read here")
