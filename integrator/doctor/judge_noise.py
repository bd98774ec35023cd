"""What makes a machine's numbers noisy, from what its system said. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from integrator.doctor.finding import Check, Finding, Health
from integrator.doctor.script import HostAnswer
from integrator.statistics.conditions import MAX_OTHER_LOAD, MAX_STEAL
from integrator.tune_host.knobs import KNOBS, hints, processors, ranges

__all__ = ["NOISE", "Placement", "judge_noise"]

_TUNE = "Set it on the machine for the campaign: sudo fleetmark tune-host --apply"
_MIN_LOAD_CORES = 0.3
"""Below that it is the system's own work, and that of asking."""
_MAX_SWAPPED_BYTES = 64 << 20
_CPU = "sys/devices/system/cpu"
_KNOBS = {
    Check.GOVERNOR: "governor",
    Check.ENERGY: "energy preference",
    Check.PROFILE: "platform profile",
    Check.TURBO: "turbo",
    Check.RANDOMISATION: "address randomisation",
    Check.NUMA: "NUMA balancing",
}
_HIDDEN = {Check.GOVERNOR, Check.TURBO}
"""Where the kernel does not show them, they may still be at work: in the hypervisor."""
_TURBO = (
    "Set it off for the campaign with `sudo fleetmark tune-host --apply`, or leave it on where the numbers "
    "have to be those that users get."
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where lab.yaml puts the agent on the machine."""

    cpuset: frozenset[int] = frozenset()
    """Logical processors; empty: all."""
    numa_node: int | None = None


def judge_noise(host: HostAnswer, placement: Placement) -> list[Finding]:
    """A finding for each thing that makes numbers scatter."""
    return [judge(host, placement) for judge in _JUDGES.values()]


def _knob(check: Check) -> Callable[[HostAnswer, Placement], Finding]:
    knob = next(knob for knob in KNOBS if knob.name == _KNOBS[check])

    def judge(host: HostAnswer, _: Placement) -> Finding:
        read = knob.read(host.files)
        if isinstance(read, str):
            return Finding(check=check, health=Health.UNKNOWN if check in _HIDDEN else Health.OK, said=read)
        now = ", ".join(dict.fromkeys(setting.now for setting in read))
        off = [setting for setting in read if not setting.is_set]
        if check is Check.TURBO:
            now = "on" if off else "off"
        if not off:
            return Finding(check=check, health=Health.OK, said=now)
        return Finding(
            check=check,
            health=Health.WARN,
            said=f"{now}: {knob.why[0].lower()}{knob.why[1:].rstrip('.')}",
            remedy=_TURBO if check is Check.TURBO else _TUNE,
        )

    return judge


def _load(host: HostAnswer, _: Placement) -> Finding:
    if host.busy_share is None or not host.processors:
        return _unknown(Check.LOAD, "the machine did not tell how busy it is")
    cores = host.busy_share * host.processors
    said = f"{cores:.1f} of {host.processors} processors are busy"
    if cores <= max(_MIN_LOAD_CORES, MAX_OTHER_LOAD * host.processors):
        return Finding(check=Check.LOAD, health=Health.OK, said=said)
    names = ", ".join(f"{name} {share:.1f}" for name, share in host.busy)
    return Finding(
        check=Check.LOAD,
        health=Health.WARN,
        said=f"{said} with other work{f': {names}' if names else ''}",
        remedy="End that work, or measure when it is done; runs beside it come out as noisy.",
    )


def _steal(host: HostAnswer, _: Placement) -> Finding:
    if host.stolen_share is None:
        return _unknown(Check.STEAL, "the machine did not tell")
    said = f"{host.stolen_share:.0%} of the processors' time went to other virtual machines"
    if host.stolen_share <= MAX_STEAL:
        return Finding(check=Check.STEAL, health=Health.OK, said=said)
    return Finding(
        check=Check.STEAL,
        health=Health.WARN,
        said=said,
        remedy="Give the virtual machine processors of its own, or measure on hardware that is not shared.",
    )


def _limits(host: HostAnswer, placement: Placement) -> Finding:
    check = Check.LIMITS
    online = processors(host.files.text(f"{_CPU}/online") or "")
    if placement.cpuset and online and not placement.cpuset <= online:
        return Finding(
            check=check,
            health=Health.FAIL,
            said=f"cpuset {ranges(set(placement.cpuset))}, but the machine has processors {ranges(online)}",
            remedy="Correct cpuset of this machine in lab.yaml.",
        )
    limit = _cpu_limit(host)
    if limit is not None:
        return Finding(
            check=check,
            health=Health.WARN,
            said=f"the control group allows {limit:g} processors' time, and stops what uses more",
            remedy="Take the limit of CPU time away, and give the agent processors by cpuset instead.",
        )
    where = f"processors {ranges(set(placement.cpuset))}" if placement.cpuset else "all processors"
    return Finding(check=check, health=Health.OK, said=f"{where}, no limit of CPU time")


def _cpu_limit(host: HostAnswer) -> float | None:
    quota, _, period = (host.files.text("sys/fs/cgroup/cpu.max") or "").partition(" ")
    if not quota:
        quota = host.files.text("sys/fs/cgroup/cpu/cpu.cfs_quota_us") or ""
        period = host.files.text("sys/fs/cgroup/cpu/cpu.cfs_period_us") or ""
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _threads(host: HostAnswer, placement: Placement) -> Finding:
    """A core whose other thread is left to others is shared with them."""
    check = Check.THREADS
    if host.files.text(f"{_CPU}/smt/active") == "0":
        return Finding(check=check, health=Health.OK, said="each core runs one thread")
    siblings = [
        processors(host.files.text(path) or "")
        for path in host.files.find(f"{_CPU}/cpu[0-9]*/topology/thread_siblings_list")
    ]
    if not siblings:
        return _unknown(check, "the machine did not tell which processors share a core")
    if not placement.cpuset:
        return Finding(check=check, health=Health.OK, said="whole cores")
    inside = placement.cpuset
    shared = {cpu for group in siblings if group & inside for cpu in group - inside}
    if not shared:
        return Finding(check=check, health=Health.OK, said="whole cores")
    return Finding(
        check=check,
        health=Health.WARN,
        said=f"processors {ranges(shared)} share a core with the agent's and are left to other programs",
        remedy=f"Give whole cores in lab.yaml: cpuset: {ranges(set(inside) | shared)}",
    )


def _isolated(host: HostAnswer, placement: Placement) -> Finding:
    isolated = processors(host.files.text(f"{_CPU}/isolated") or "")
    inside = isolated & placement.cpuset if placement.cpuset else isolated
    if not inside:
        return Finding(check=Check.ISOLATED, health=Health.OK, said="none for the agent")
    return Finding(
        check=Check.ISOLATED,
        health=Health.WARN,
        said=f"processors {ranges(inside)} are isolated: threads are not spread over them",
        remedy="Leave them out of the agent's cpuset, or boot the machine without isolcpus.",
    )


def _memory(host: HostAnswer, name: str) -> int | None:
    found = re.search(rf"^{name}:\s*(\d+) kB", host.files.text("proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) << 10 if found else None


def _swap(host: HostAnswer, _: Placement) -> Finding:
    total, free = _memory(host, "SwapTotal"), _memory(host, "SwapFree")
    if total is None or free is None:
        return _unknown(Check.SWAP, "the machine did not tell")
    used = total - free
    if used <= _MAX_SWAPPED_BYTES:
        return Finding(check=Check.SWAP, health=Health.OK, said="none in use" if total else "there is none")
    return Finding(
        check=Check.SWAP,
        health=Health.WARN,
        said=f"{used / (1 << 30):.1f} GiB are swapped out, and come back in the middle of runs",
        remedy="End what needs the memory, then bring it back: swapoff -a && swapon -a",
    )


def _huge_pages(host: HostAnswer, _: Placement) -> Finding:
    text = host.files.text("sys/kernel/mm/transparent_hugepage/enabled") or ""
    chosen = re.search(r"\[(\w+)\]", text)
    if not chosen:
        return _unknown(Check.HUGE_PAGES, "the machine did not tell")
    return Finding(check=Check.HUGE_PAGES, health=Health.OK, said=f"{chosen[1]}; recorded with the results")


def _numa(host: HostAnswer, placement: Placement) -> Finding:
    if placement.numa_node is not None or placement.cpuset:
        return Finding(check=Check.NUMA, health=Health.OK, said="the agent has processors of its own")
    return _knob(Check.NUMA)(host, placement)


def _power(host: HostAnswer, _: Placement) -> Finding:
    battery = any("battery" in hint for hint in hints(host.files))
    if not battery:
        return Finding(check=Check.POWER, health=Health.OK, said="not on a battery")
    return Finding(
        check=Check.POWER,
        health=Health.WARN,
        said="the machine runs on its battery",
        remedy="Plug it in: on a battery the firmware lowers the power limits.",
    )


def _throttled(host: HostAnswer, _: Placement) -> Finding:
    count = host.files.text(f"{_CPU}/cpu0/thermal_throttle/package_throttle_count")
    if count is None or not count.isdigit():
        return _unknown(Check.THROTTLED, "the kernel shows no throttle counters here")
    if count == "0":
        return Finding(check=Check.THROTTLED, health=Health.OK, said="never since the machine was started")
    return Finding(
        check=Check.THROTTLED,
        health=Health.WARN,
        said=f"too hot {count} times since the machine was started",
        remedy="See to its cooling, and to the pauses between campaigns; a run that is throttled is marked.",
    )


def _unknown(check: Check, why: str) -> Finding:
    return Finding(check=check, health=Health.UNKNOWN, said=why)


_JUDGES: dict[Check, Callable[[HostAnswer, Placement], Finding]] = {
    **{check: _knob(check) for check in (Check.GOVERNOR, Check.ENERGY, Check.PROFILE)},
    Check.TURBO: _knob(Check.TURBO),
    Check.LOAD: _load,
    Check.STEAL: _steal,
    Check.LIMITS: _limits,
    Check.THREADS: _threads,
    Check.ISOLATED: _isolated,
    Check.SWAP: _swap,
    Check.HUGE_PAGES: _huge_pages,
    Check.RANDOMISATION: _knob(Check.RANDOMISATION),
    Check.NUMA: _numa,
    Check.POWER: _power,
    Check.THROTTLED: _throttled,
}
NOISE = tuple(_JUDGES)
"""The checks that `judge_noise` makes."""
