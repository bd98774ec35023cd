"""Which machines of a lab are one computer, and so may not measure at the same time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from integrator.config.lab import LabMachine

__all__ = ["turns"]

_HERE = ""


def turns(machines: Iterable[str], entries: dict[str, LabMachine]) -> list[list[str]]:
    """Machines in groups: those of a group go one after another, groups go side by side.

    Machines on one computer share caches, memory and heat, whichever cores each has. A computer is known by
    the address of its Docker Engine; one that has two addresses, or waits, is taken for as many computers. A
    machine without an entry is this computer.
    """
    groups: dict[str, list[str]] = {}
    for machine in machines:
        groups.setdefault(_place(machine, entries.get(machine)), []).append(machine)
    return list(groups.values())


def _place(machine: str, entry: LabMachine | None) -> str:
    if entry is None or entry.start == "local":
        return _HERE
    if entry.docker is None:
        return f"waiting {machine}"
    address = entry.docker.address
    return _HERE if address.is_here else f"host {address.host}"
