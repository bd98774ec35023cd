"""What the machine was like while a run measured. Standard library only.

Two readings, right before and right after the timed loop, by the measuring process itself: nothing runs
beside the loop. Files are found and opened once, so that a reading is a few dozen short reads.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from agent.worker.cgroups import ControlGroups

__all__ = ["Reader", "Reading", "compare", "timer_resolution_ns"]

_MAX_CORES = 32
"""Cores whose frequency and throttle counters are read; evenly chosen where there are more."""
_MIN_SECONDS = 1.0
"""/proc/stat counts in hundredths of a second: over a shorter time its differences say little."""
_MAX_WATTS = 1000.0
"""Of a package. At that power a counter must not have gone around twice between two readings."""
_TEMPERATURES = {"x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal"}
_SENSORS = {"coretemp", "k10temp", "zenpower", "cpu_thermal"}
_TICKS = os.sysconf("SC_CLK_TCK")

Values = dict[str, float]


def timer_resolution_ns(clock: Callable[[], int] = time.perf_counter_ns) -> int:
    """How finely `clock` counts; by default the monotonic one, which latencies are taken by.

    A clock that shows the same time twice is as coarse as its smallest step; of one that never does, what the
    kernel says is all that is known.
    """
    readings = [clock() for _ in range(200)]
    steps = [after - before for before, after in pairwise(readings)]
    if 0 in steps:
        while (step := clock() - readings[-1]) <= 0:
            pass
        return min([step, *(step for step in steps if step > 0)])
    return max(1, round(time.clock_getres(time.CLOCK_MONOTONIC) * 1e9))


@dataclass(frozen=True)
class Reading:
    """The state at one moment: counters and levels by name, as far as they could be read."""

    monotonic_ns: int
    usage: resource.struct_rusage
    values: Values
    """Counters that only grow, and levels."""
    energy_uj: Values
    """By RAPL domain."""
    frequencies_hz: tuple[float, ...]


class _File:
    """A file that is read again and again, from its beginning, without being opened again."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def text(self, size: int = 8192) -> str:
        return os.pread(self._descriptor, size, 0).decode(errors="replace")

    def number(self) -> int:
        return int(self.text(64))


class Reader:
    """Finds on construction what can be read below `root`; what cannot is in `unknown` with the reason."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.unknown: dict[str, str] = {}
        self._root = root
        self.logical_cores = _count_cores(root)
        self.timer_resolution_ns = timer_resolution_ns()
        cpus = [*_every(sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*"), key=_number), _MAX_CORES)]
        self._load = self._file("load_1min", "proc/loadavg", "runnable_threads")
        self._stat = self._file("other_load_cores", "proc/stat", "steal_cores")
        self._memory = self._file("available_memory_bytes", "proc/meminfo")
        self._cpu_stall = self._file("cpu_stall_s", "proc/pressure/cpu")
        self._memory_stall = self._file("memory_stall_s", "proc/pressure/memory")
        self._frequency = self._files(
            [cpu / "cpufreq/scaling_cur_freq" for cpu in cpus],
            "the kernel shows no frequency scaling here",
            "frequency_min_hz",
            "frequency_median_hz",
            "frequency_max_hz",
        )
        self._throttle = self._files(
            [
                cpu / "thermal_throttle" / name
                for cpu in cpus
                for name in ("core_throttle_count", "package_throttle_count")
            ],
            "the kernel shows no throttle counters here",
            "throttle_events",
        )
        self._temperature = self._files(
            _temperatures(root), "no sensor of a CPU's temperature is shown here", "temperature_c"
        )
        self._limit = self._cpu_limit()
        self._energy = self._rapl()

    def read(self) -> Reading:
        """One reading; what fails now is missing in it."""
        values: Values = {}
        for fill in (self._read_load, self._read_stat, self._read_rest):
            with suppress(OSError, ValueError, LookupError):
                fill(values)
        energy = {}
        for domain, (counter, _) in self._energy.items():
            with suppress(OSError, ValueError):
                energy[domain] = float(counter.number())
        return Reading(
            monotonic_ns=time.perf_counter_ns(),
            usage=resource.getrusage(resource.RUSAGE_SELF),
            values=values,
            energy_uj=energy,
            frequencies_hz=tuple(1000.0 * value for value in _numbers(self._frequency)),
        )

    def energy_range(self, domain: str) -> float:
        """The microjoules at which a domain's counter begins anew."""
        return self._energy[domain][1]

    def _file(self, name: str, path: str, *more: str) -> _File | None:
        try:
            return _File(self._root / path)
        except OSError as error:
            self.unknown |= dict.fromkeys((name, *more), f"/{path}: {error.strerror}")
            return None

    def _files(self, paths: list[Path], reason: str, *names: str) -> list[_File]:
        files = []
        for path in paths:
            try:
                files.append(_File(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                reason = f"/{path.relative_to(self._root)}: {error.strerror}"
        if not files:
            self.unknown |= dict.fromkeys(names, reason)
        return files

    def _cpu_limit(self) -> _File | None:
        reason = "no CPU limit applies to this control group"
        try:
            # Each group counts the times that its own limit stopped it: the tightest one is what is felt.
            if limits := ControlGroups(self._root).cpu_limits():
                folder, _ = min(limits, key=lambda entry: entry[1])
                return _File(folder / "cpu.stat")
        except (OSError, ValueError) as error:
            reason = f"the control group's CPU limit cannot be read: {getattr(error, 'strerror', error)}"
        self.unknown |= dict.fromkeys(("cpu_limit_hits", "cpu_limit_s"), reason)
        return None

    def _rapl(self) -> dict[str, tuple[_File, float]]:
        """Each domain's counter and its range."""
        reason = "/sys/class/powercap shows no energy counters"
        found = {}
        # The same counters may be shown twice, through model registers and through memory (intel-rapl-mmio).
        for folder in sorted(self._root.glob("sys/class/powercap/intel-rapl:*")):
            try:
                name = (folder / "name").read_text().strip()
                if folder.name.count(":") > 1:
                    parent = folder.with_name(folder.name.rpartition(":")[0])
                    name = f"{(parent / 'name').read_text().strip()}/{name}"
                limit = float((folder / "max_energy_range_uj").read_text())
                counter = _File(folder / "energy_uj")
                counter.number()
                found[name] = (counter, limit)
            except (OSError, ValueError) as error:
                words = getattr(error, "strerror", None) or "no number in it"
                reason = f"/{folder.relative_to(self._root)}/energy_uj: {words}"
        if not found:
            self.unknown["energy_joules"] = reason
        return found

    def _read_load(self, values: Values) -> None:
        if self._load:
            words = self._load.text(128).split()
            values["load_1min"] = float(words[0])
            # Without this thread, which runs while it reads.
            values["runnable_threads"] = max(0, int(words[3].partition("/")[0]) - 1)

    def _read_stat(self, values: Values) -> None:
        if self._stat:
            # user nice system idle iowait irq softirq steal; a guest's time is in user already
            ticks = [int(word) for word in self._stat.text(256).partition("\n")[0].split()[1:9]]
            values["busy_s"] = (sum(ticks[:3]) + sum(ticks[5:7])) / _TICKS
            values["steal_s"] = ticks[7] / _TICKS

    def _read_rest(self, values: Values) -> None:
        if self._memory:
            for line in self._memory.text(512).splitlines():
                if line.startswith("MemAvailable:"):
                    values["available_memory_bytes"] = int(line.split()[1]) << 10
        for name, stall in (("cpu_stall_s", self._cpu_stall), ("memory_stall_s", self._memory_stall)):
            if stall:
                with suppress(OSError):  # open succeeds and reading fails where PSI is switched off
                    some = stall.text(256).partition("\n")[0]
                    values[name] = int(some.partition("total=")[2]) / 1e6
        if counts := _numbers(self._throttle):
            values["throttle_events"] = sum(counts)
        if degrees := _numbers(self._temperature):
            values["temperature_c"] = max(degrees) / 1000
        if self._limit:
            lines = dict(line.split() for line in self._limit.text(1024).splitlines())
            values["cpu_limit_hits"] = int(lines["nr_throttled"])
            if "throttled_usec" in lines:
                values["cpu_limit_s"] = int(lines["throttled_usec"]) / 1e6
            else:
                values["cpu_limit_s"] = int(lines["throttled_time"]) / 1e9


def compare(reader: Reader, before: Reading, after: Reading) -> dict[str, Any]:
    """The fields of `protocol.result.Conditions` from two readings."""
    seconds = (after.monotonic_ns - before.monotonic_ns) / 1e9
    unknown = dict(reader.unknown)
    process_cpu_s = _cpu_s(after.usage) - _cpu_s(before.usage)

    def change(name: str) -> float | None:
        if name not in before.values or name not in after.values:
            return None
        grown = after.values[name] - before.values[name]
        if grown < 0:
            unknown[name] = "the counter went backwards"
            return None
        return grown

    busy, steal = change("busy_s"), change("steal_s")
    if seconds < _MIN_SECONDS:
        busy = steal = None
        reason = f"the run was shorter than {_MIN_SECONDS:g} s, and the kernel counts in hundredths"
        unknown |= dict.fromkeys(("other_load_cores", "steal_cores"), reason)
    found: dict[str, Any] = {
        "seconds": seconds,
        "timer_resolution_ns": reader.timer_resolution_ns,
        "logical_cores": reader.logical_cores,
        "before": _surroundings(before),
        "after": _surroundings(after),
        "process_cpu_s": max(0.0, process_cpu_s),
        "other_load_cores": None if busy is None else max(0.0, busy - process_cpu_s) / seconds,
        "steal_cores": None if steal is None else steal / seconds,
        "throttle_events": _whole(change("throttle_events")),
        "cpu_limit_hits": _whole(change("cpu_limit_hits")),
        "cpu_limit_s": change("cpu_limit_s"),
        "cpu_stall_s": change("cpu_stall_s"),
        "memory_stall_s": change("memory_stall_s"),
        "major_faults": after.usage.ru_majflt - before.usage.ru_majflt,
        "voluntary_switches": after.usage.ru_nvcsw - before.usage.ru_nvcsw,
        "involuntary_switches": after.usage.ru_nivcsw - before.usage.ru_nivcsw,
        "energy_joules": _joules(reader, before, after, seconds, unknown),
    }
    levels = {name: found["after"][name] for name, value in found["before"].items() if value is not None}
    values = {**dict.fromkeys(found["before"]), **found, **levels}
    found["unknown"] = {
        name: unknown.get(name, "it could not be read at both ends of the run")
        for name, value in values.items()
        if value is None
    }
    return found


def _surroundings(reading: Reading) -> dict[str, Any]:
    hertz = reading.frequencies_hz
    return {
        "load_1min": reading.values.get("load_1min"),
        "runnable_threads": _whole(reading.values.get("runnable_threads")),
        "frequency_min_hz": round(min(hertz)) if hertz else None,
        "frequency_median_hz": round(median(hertz)) if hertz else None,
        "frequency_max_hz": round(max(hertz)) if hertz else None,
        "temperature_c": reading.values.get("temperature_c"),
        "available_memory_bytes": _whole(reading.values.get("available_memory_bytes")),
    }


def _joules(
    reader: Reader, before: Reading, after: Reading, seconds: float, unknown: dict[str, str]
) -> Values | None:
    joules = {}
    for domain in before.energy_uj.keys() & after.energy_uj.keys():
        limit = reader.energy_range(domain)
        if seconds * _MAX_WATTS > limit / 1e6:
            unknown["energy_joules"] = "the run was so long that the counter may have gone around twice"
            continue
        grown = after.energy_uj[domain] - before.energy_uj[domain]
        joules[domain] = (grown if grown >= 0 else grown + limit) / 1e6
    return dict(sorted(joules.items())) or None


def _cpu_s(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _numbers(files: list[_File]) -> list[int]:
    """What the files hold, as far as they can be read; a sensor may fail for a moment."""
    numbers = []
    for file in files:
        with suppress(OSError, ValueError):
            numbers.append(file.number())
    return numbers


def _temperatures(root: Path) -> list[Path]:
    """Sensors of the whole package or, where none is named so, the first one of the CPU's chip."""
    zones = [
        zone / "temp"
        for zone in sorted(root.glob("sys/class/thermal/thermal_zone[0-9]*"))
        if _text(zone / "type") in _TEMPERATURES
    ]
    return zones or [
        chip / "temp1_input"
        for chip in sorted(root.glob("sys/class/hwmon/hwmon[0-9]*"))
        if _text(chip / "name") in _SENSORS
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _count_cores(root: Path) -> int:
    return len(list(root.glob("sys/devices/system/cpu/cpu[0-9]*"))) or os.cpu_count() or 1


def _number(path: Path) -> int:
    return int(path.name.removeprefix("cpu"))


def _every(paths: list[Path], most: int) -> list[Path]:
    """At most so many of the paths, evenly chosen."""
    count = min(len(paths), most)
    return [paths[number * len(paths) // count] for number in range(count)]
