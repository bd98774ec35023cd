"""What can be set on a running kernel so that numbers scatter less. Pure.

Follows pyperf's `system tune`, for inference that takes seconds on all cores instead of microseconds on one.

Set as there: frequency governor, turbo, lowest frequency, address randomisation (which has to be on),
perf_event_max_sample_rate, and the interrupts of isolated processors.

Set in addition, because inference meets it: the energy preference and the platform profile (both rule the
clock where the governor does not), the boost of AMD and ARM, automatic NUMA balancing (moves pages in a run),
and the NMI watchdog (takes a performance counter and interrupts every core).

Left alone:
- Isolated processors: a parameter of the kernel's start, and wrong for inference on all cores. What is
  isolated is told (`hints`).
- The service irqbalance: stopping services is the administrator's. Where it runs, it is told.
- Transparent huge pages: `always` is faster for some models and slower for others. It is a part of what is
  measured, and recorded with it.
- Swap: to switch it off may end programs. doctor warns of it.
- Idle states: they can only be held off by a process that stays and holds /dev/cpu_dma_latency open.
- Hyper-threads: to switch them off is to measure another machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from integrator.tune_host.files import Files

__all__ = ["KNOBS", "Knob", "Setting", "hints", "is_of_a_knob", "processors", "ranges"]

_POLICY = "sys/devices/system/cpu/cpufreq/policy[0-9]*"
_CPU = "sys/devices/system/cpu"
_PERFORMANCE = "performance"
_NO_SCALING = "the kernel shows no frequency scaling here, as in most virtual machines"
_IRQS = "proc/irq/[0-9]*/smp_affinity_list"


@dataclass(frozen=True, slots=True)
class Setting:
    """One file of the kernel: what it holds, and what it should hold."""

    path: str
    now: str
    wanted: str

    @property
    def is_set(self) -> bool:
        """Whether it holds already what it should."""
        return self.now == self.wanted


_Reader = Callable[[Files], list[Setting] | str]


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting of the machine, in one file or in one for each core."""

    name: str
    why: str
    """What it does to numbers, in one sentence."""
    patterns: tuple[str, ...]
    """All the files that it may ever write."""
    read: _Reader
    """What it is now; or, in words, why there is nothing to set here."""


def _each_policy(name: str, wanted: Callable[[Files, str], str | None], absent: str) -> _Reader:
    def read(files: Files) -> list[Setting] | str:
        if not files.find(f"{_POLICY}/scaling_governor"):
            return _NO_SCALING
        found = []
        for path in files.find(f"{_POLICY}/{name}"):
            folder = path.rpartition("/")[0]
            now, target = files.text(path), wanted(files, folder)
            if now and target:
                found.append(Setting(path, now, target))
        return found or absent

    return read


def _one_file(path: str, wanted: str, absent: str) -> _Reader:
    def read(files: Files) -> list[Setting] | str:
        now = files.text(path)
        return [Setting(path, now, wanted)] if now else absent

    return read


def _if_offered(list_name: str) -> Callable[[Files, str], str | None]:
    """`performance`, unless the kernel lists what may be chosen and that is not among it."""

    def wanted(files: Files, folder: str) -> str | None:
        offered = files.text(f"{folder}/{list_name}")
        return _PERFORMANCE if offered is None or _PERFORMANCE in offered.split() else None

    return wanted


def _highest(files: Files, folder: str) -> str | None:
    return files.text(f"{folder}/scaling_max_freq") or None


def _turbo(files: Files) -> list[Setting] | str:
    for path, off in ((f"{_CPU}/intel_pstate/no_turbo", "1"), (f"{_CPU}/cpufreq/boost", "0")):
        if now := files.text(path):
            return [Setting(path, now, off)]
    per_core = [
        Setting(path, now, "0") for path in files.find(f"{_POLICY}/boost") if (now := files.text(path))
    ]
    return per_core or "the kernel shows neither intel_pstate/no_turbo nor cpufreq/boost"


def _profile(files: Files) -> list[Setting] | str:
    path = "sys/firmware/acpi/platform_profile"
    now, offered = files.text(path), files.text(f"{path}_choices")
    if not now:
        return "the firmware has no platform profiles"
    if offered is not None and _PERFORMANCE not in offered.split():
        return f"the firmware offers only: {offered}"
    return [Setting(path, now, _PERFORMANCE)]


def _numa_balancing(files: Files) -> list[Setting] | str:
    path = "proc/sys/kernel/numa_balancing"
    now = files.text(path)
    if len(files.find("sys/devices/system/node/node[0-9]*/cpulist")) < 2:  # noqa: PLR2004
        return "one NUMA node"
    return [Setting(path, now, "0")] if now else "this kernel has no automatic NUMA balancing"


def _interrupts(files: Files) -> list[Setting] | str:
    """Away from isolated processors, as pyperf does; without any, interrupts stay where they are."""
    isolated = processors(files.text(f"{_CPU}/isolated") or "")
    online = processors(files.text(f"{_CPU}/online") or "")
    if not isolated:
        return "no processors are isolated, so interrupts stay where they are"
    wanted = ranges(online - isolated)
    if not wanted:
        return "the kernel does not tell which processors are there"
    found = []
    for path in files.find(_IRQS):
        now = files.text(path)
        if now and processors(now) & isolated:
            found.append(Setting(path, now, wanted))
    return found or "none is on an isolated processor"


KNOBS: tuple[Knob, ...] = (
    Knob(
        "turbo",
        "Above its base frequency a core runs as fast as temperature, power and its neighbours allow.",
        (f"{_CPU}/intel_pstate/no_turbo", f"{_CPU}/cpufreq/boost", f"{_POLICY}/boost"),
        _turbo,
    ),
    Knob(
        "platform profile",
        "A quiet profile lowers the power limit of the whole package.",
        ("sys/firmware/acpi/platform_profile",),
        _profile,
    ),
    Knob(
        "governor",
        "Any other governor raises the frequency only once there is load: the first requests are slow.",
        (f"{_POLICY}/scaling_governor",),
        _each_policy(
            "scaling_governor",
            _if_offered("scaling_available_governors"),
            "the driver has no governor `performance`",
        ),
    ),
    Knob(
        "energy preference",
        "The CPU itself saves energy between requests, and wakes up slower.",
        (f"{_POLICY}/energy_performance_preference",),
        _each_policy(
            "energy_performance_preference",
            _if_offered("energy_performance_available_preferences"),
            "the CPU has no energy preference",
        ),
    ),
    Knob(
        "lowest frequency",
        "A core that waited a moment for its neighbours starts again slowly.",
        (f"{_POLICY}/scaling_min_freq",),
        _each_policy("scaling_min_freq", _highest, "the driver has no lowest frequency"),
    ),
    Knob(
        "NUMA balancing",
        "The kernel takes pages away and moves them to another socket in the middle of a run.",
        ("proc/sys/kernel/numa_balancing",),
        _numa_balancing,
    ),
    Knob(
        "address randomisation",
        "Switched off, all runs have one layout of memory, good or bad, and agree more than they should.",
        ("proc/sys/kernel/randomize_va_space",),
        _one_file("proc/sys/kernel/randomize_va_space", "2", "the kernel does not show it"),
    ),
    Knob(
        "NMI watchdog",
        "It interrupts every core and keeps a performance counter to itself.",
        ("proc/sys/kernel/nmi_watchdog",),
        _one_file("proc/sys/kernel/nmi_watchdog", "0", "this kernel has none"),
    ),
    Knob(
        "perf sample rate",
        "A profiler that runs all the time interrupts as often as this allows.",
        ("proc/sys/kernel/perf_event_max_sample_rate",),
        _one_file("proc/sys/kernel/perf_event_max_sample_rate", "1", "this kernel has no perf events"),
    ),
    Knob(
        "interrupts",
        "Devices interrupt processors that were isolated for measuring.",
        (_IRQS,),
        _interrupts,
    ),
)
"""In the order in which they are set: frequencies depend on turbo, an energy preference on the governor."""


def hints(files: Files) -> Iterator[str]:
    """What only its administrator can change, in sentences."""
    isolated = files.text(f"{_CPU}/isolated") or ""
    if processors(isolated):
        yield (
            f"Processors {isolated} are isolated (isolcpus): the scheduler spreads no threads over them. "
            "Leave them out of the agent's cpuset, or boot without isolcpus to measure on all cores."
        )
    full = files.text(f"{_CPU}/nohz_full") or ""
    if processors(full) and files.text(f"{_CPU}/intel_pstate/status") == "active":
        yield (
            f"nohz_full={full} with intel_pstate: their frequency does not follow their load. "
            "Boot without nohz_full, or with intel_pstate=disable."
        )
    if any(files.text(path) == "irqbalance" for path in files.find("proc/[0-9]*/comm")):
        yield (
            "irqbalance runs and moves interrupts while runs measure; stop it for the campaign: "
            "systemctl stop irqbalance"
        )
    if _on_battery(files):
        yield "The machine runs on its battery, and saves power whatever is set here: plug it in."


def _on_battery(files: Files) -> bool:
    mains = [
        files.text(f"{path.rpartition('/')[0]}/online")
        for path in files.find("sys/class/power_supply/*/type")
        if files.text(path) in {"Mains", "USB"}
    ]
    discharging = any(
        files.text(path) == "Discharging" and files.text(f"{path.rpartition('/')[0]}/scope") != "Device"
        for path in files.find("sys/class/power_supply/*/status")
    )  # the battery of a mouse is of scope `Device`
    return discharging and "1" not in mains


def is_of_a_knob(path: str) -> bool:
    """Whether a knob may write this file: nothing else is ever written, whatever a state file says."""
    return ".." not in path.split("/") and any(
        path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
        for knob in KNOBS
        for pattern in knob.patterns
    )


_MOST_PROCESSORS = 1 << 14


def processors(text: str) -> set[int]:
    """The kernel's list of processors: `0-2,7` is 0, 1, 2, 7; what is no number is left out."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        low, high = int(first), int(last or first)
        if high < _MOST_PROCESSORS:
            found.update(range(low, high + 1))
    return found


def ranges(cpus: set[int]) -> str:
    """The same list as text: `0-2,7`."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][-1] == cpu - 1:
            parts[-1].append(cpu)
        else:
            parts.append([cpu])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
