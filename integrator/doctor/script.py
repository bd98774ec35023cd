"""What is asked of a machine's own system: one shell script, and its answer taken apart.

One script for every machine, whether over SSH, in a container or on this computer: one round trip, and
nothing has to be installed there but a shell, grep and awk. It only reads, for a second, in which it watches
the load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from integrator.tune_host.files import ToldFiles

__all__ = ["MAX_ANSWER_BYTES", "SCRIPT", "HostAnswer", "parse"]

MAX_ANSWER_BYTES = 1 << 20
"""More is cut off: a machine of 500 processors says 300 KiB."""

SCRIPT = r"""
LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/sbin:/sbin
echo "clock $(date +%s.%N)"
if [ -e /.dockerenv ]; then echo 'inside docker'; fi
echo "processors $(grep -c '^processor' /proc/cpuinfo)"
cd /sys/devices/system/cpu || cd /
grep -sH '' /proc/loadavg /proc/meminfo /proc/cmdline /proc/uptime \
  /proc/sys/kernel/randomize_va_space /proc/sys/kernel/numa_balancing /proc/sys/vm/swappiness \
  /sys/devices/system/cpu/online /sys/devices/system/cpu/isolated /sys/devices/system/cpu/nohz_full \
  /sys/devices/system/cpu/smt/active /sys/devices/system/cpu/cpu*/topology/thread_siblings_list \
  /sys/devices/system/cpu/intel_pstate/no_turbo /sys/devices/system/cpu/intel_pstate/status \
  /sys/devices/system/cpu/cpufreq/boost /sys/devices/system/cpu/cpufreq/policy*/boost \
  /sys/devices/system/cpu/cpufreq/policy*/scaling_governor \
  /sys/devices/system/cpu/cpufreq/policy*/scaling_available_governors \
  /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference \
  /sys/devices/system/cpu/cpufreq/policy*/energy_performance_available_preferences \
  /sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count \
  /sys/devices/system/node/node*/cpulist /sys/kernel/mm/transparent_hugepage/enabled \
  /sys/firmware/acpi/platform_profile /sys/firmware/acpi/platform_profile_choices \
  /sys/class/power_supply/*/type /sys/class/power_supply/*/online \
  /sys/class/power_supply/*/status /sys/class/power_supply/*/scope \
  /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpuset.cpus.effective \
  /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us \
  /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpuset/cpuset.effective_cpus \
  | sed 's/^/file /'
for path in /proc/[0-9]*/comm; do
  read -r name < "$path" && [ "$name" = irqbalance ] && echo "file $path:irqbalance"
done 2>/dev/null
for path in "$@" /dev/dri/renderD* /dev/accel/accel*; do
  if [ -e "$path" ]; then
    echo "device $path"
    if [ ! -d "$path" ] && ! [ -r "$path" -a -w "$path" ]; then echo "closed $path"; fi
  fi
done
for path in / /var/lib/docker; do
  df -Pk "$path" 2>/dev/null | awk -v path="$path" 'NR == 2 { print "disk " path " " $4 }'
done
tasks() { cat /proc/[0-9]*/stat 2>/dev/null; }
cpu() { grep '^cpu ' /proc/stat; }
{ tasks; echo 'second half'; cpu; sleep 1; cpu; tasks; } | awk '
/^second half$/ { later = 1; next }
/^cpu / { print "ticks " substr($0, 6); next }
{
  line = $0; pid = $1
  if (!match(line, /\(.*\)/)) next
  name = substr(line, RSTART + 1, RLENGTH - 2)
  split(substr(line, RSTART + RLENGTH + 1), rest, " ")
  used = rest[12] + rest[13]
  if (!later) before[pid] = used
  else if (pid in before && used - before[pid] >= 5) print "busy " (used - before[pid]) " " name
}'
echo "hertz $(getconf CLK_TCK 2>/dev/null || echo 100)"
echo "clock $(date +%s.%N)"
"""
"""To `sh`, with the paths of devices as its arguments. Every line of its answer begins with a word."""


@dataclass(frozen=True)
class HostAnswer:
    """What a machine's system said. What was not said is missing, never zero."""

    files: ToldFiles = field(default_factory=lambda: ToldFiles({}))
    in_container: bool = False
    processors: int | None = None
    clock_first_s: float | None = None
    """Unix time at the beginning of the script, by the machine's clock."""
    clock_last_s: float | None = None
    """At its end."""
    devices: frozenset[str] = frozenset()
    """Paths that are there."""
    closed: frozenset[str] = frozenset()
    """Those of them that the one who asked may not open."""
    disk_free_bytes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """By path."""
    busy_share: float | None = None
    """CPU time of everything together in the second that was watched, of what all processors have."""
    stolen_share: float | None = None
    """What a hypervisor gave to others meanwhile, of the same."""
    busy: tuple[tuple[str, float], ...] = ()
    """Programs that took the most, each with its share in cores."""


def parse(answer: bytes) -> HostAnswer:
    """Take the answer apart; lines that are not understood are left out, because a shell may say anything."""
    lines: dict[str, list[str]] = {}
    for line in answer[:MAX_ANSWER_BYTES].decode(errors="replace").splitlines():
        word, _, rest = line.partition(" ")
        lines.setdefault(word, []).append(rest)
    clocks = [value for text in lines.get("clock", []) if (value := _number(text)) is not None]
    busy, stolen = _shares(lines.get("ticks", []))
    return HostAnswer(
        files=_files(lines.get("file", [])),
        in_container=bool(lines.get("inside")),
        processors=_whole(lines.get("processors", [""])[0]) or None,
        clock_first_s=clocks[0] if len(clocks) == _BOTH else None,
        clock_last_s=clocks[1] if len(clocks) == _BOTH else None,
        devices=frozenset(lines.get("device", [])),
        closed=frozenset(lines.get("closed", [])),
        disk_free_bytes={
            path: free << 10
            for path, _, kib in (text.partition(" ") for text in lines.get("disk", []))
            if (free := _whole(kib)) is not None
        },
        busy_share=busy,
        stolen_share=stolen,
        busy=_programs(lines.get("busy", []), _number(lines.get("hertz", [""])[0]) or 100.0),
    )


_BOTH = 2
_MOST_PROGRAMS = 3
_STOLEN, _IDLE = 7, (3, 4)
"""Places in a line of /proc/stat."""


def _files(lines: list[str]) -> ToldFiles:
    texts: dict[str, str] = {}
    for line in lines:
        path, _, text = line.partition(":")
        path = path.strip("/")
        texts[path] = f"{texts[path]}\n{text}" if path in texts else text
    return ToldFiles(texts)


def _shares(lines: list[str]) -> tuple[float | None, float | None]:
    """Busy and stolen time between two lines of /proc/stat, as shares of the time of all processors."""
    if len(lines) != _BOTH:
        return None, None
    first, last = ([int(word) for word in re.findall(r"\d+", line)] for line in lines)
    spent = [after - before for before, after in zip(first, last, strict=False)][: _STOLEN + 1]
    if len(spent) <= _STOLEN or sum(spent) <= 0:
        return None, None
    idle = sum(spent[place] for place in _IDLE)
    return (sum(spent) - idle - spent[_STOLEN]) / sum(spent), spent[_STOLEN] / sum(spent)


def _programs(lines: list[str], hertz: float) -> tuple[tuple[str, float], ...]:
    found: dict[str, float] = {}
    for line in lines:
        ticks, _, name = line.partition(" ")
        if (used := _number(ticks)) is not None:
            shown = "".join(c if c.isprintable() else "?" for c in name)[:32]
            found[shown] = found.get(shown, 0.0) + used / hertz
    return tuple(sorted(found.items(), key=lambda pair: -pair[1])[:_MOST_PROGRAMS])


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d{1,12})?", text.strip()) else None


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,15}", text.strip()) else None
