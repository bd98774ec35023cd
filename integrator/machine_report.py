"""A machine in the terminal: its facts, and what its devices say by hint. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from protocol.machine import MachineDescription
from protocol.probe import DeviceProbe, HintProbe

__all__ = ["facts_of", "machine_report", "print_machine"]

_UNKNOWN = "–"


def print_machine(machine: MachineDescription, console: Console, *, properties: bool = False) -> None:
    """Print a machine; needs 80 columns. `properties` adds the names of all that each device supports."""
    console.print(machine_report(machine, properties=properties))


def machine_report(machine: MachineDescription, *, properties: bool = False) -> Group:
    """A machine's facts, the table of its devices by hint, and why facts are unknown."""
    parts: list[RenderableType] = [
        Text(f"{machine.machine}, as of {machine.collected_at:%Y-%m-%d %H:%M} UTC", style="bold"),
        "",
        _facts(machine),
        "",
        _probes(machine.probe) if machine.probe else Text("No device has been asked for its properties."),
    ]
    parts += [Text(line) for line in _notes(machine.probe)]
    if properties:
        for probe in machine.probe:
            parts += ["", *_properties(probe)]
    return Group(*parts, "")


def facts_of(machine: MachineDescription) -> Iterator[tuple[str, str]]:
    """Each fact in words, in the order of the document: (name, value, or why it is unknown)."""
    devices = {device.name: device.full_name or _UNKNOWN for device in machine.fingerprint.devices}
    sections = (machine.fingerprint.model_dump(mode="json", exclude={"devices"}), {"devices": devices})
    for section in (*sections, machine.configuration.model_dump(mode="json")):
        for name, value in section.items():
            why = machine.unknown.get(name)
            yield (
                name.replace("_", " ").replace(" gib", ", GiB"),
                _words(value) or (f"unknown: {why}" if why else _UNKNOWN),
            )


def _facts(machine: MachineDescription) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts_of(machine):
        table.add_row(Text(name), Text(value))
    return table


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_words(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _probes(probes: tuple[DeviceProbe, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column("device", overflow="fold", min_width=6)
    table.add_column("hint", min_width=10)
    for name in ("optimal\nrequests", "streams", "threads or\npriority", "hint's\nrequests"):
        table.add_column(name, justify="right")
    for name in ("precision", "runs on"):
        table.add_column(name, overflow="fold", min_width=9)
    for probe in probes:
        for hint in probe.hints:
            table.add_row(Text(probe.device), hint.hint.value.replace("_", " "), *map(Text, _cells(hint)))
    return table


def _cells(hint: HintProbe) -> Iterator[str]:
    yield _number(hint.optimal_requests)
    yield _number(hint.streams)
    yield hint.queue_priority or _number(hint.threads)
    yield _number(hint.hint_requests)
    yield hint.precision or _UNKNOWN
    yield "+".join(hint.execution_devices) or _UNKNOWN


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def _notes(probes: tuple[DeviceProbe, ...]) -> Iterator[str]:
    """What does not fit into the table: ranges, counts of properties, why a row is empty."""
    for probe in probes:
        if probe.reason:
            yield f"{probe.device}: {probe.reason}"
            continue
        said = []
        if probe.streams_range:
            said.append("streams {}–{}".format(*probe.streams_range))
        if probe.requests_range:
            said.append("requests {}–{} in steps of {}".format(*probe.requests_range))
        settable = sum("W" in mode for mode in probe.properties.values())
        said.append(f"properties: {len(probe.properties)}, of which {settable} can be set")
        yield f"{probe.device}: {'; '.join(said)}"
        yield from (f"{probe.device} with {hint.hint}: {hint.reason}" for hint in probe.hints if hint.reason)


def _properties(probe: DeviceProbe) -> Iterator[RenderableType]:
    settable = [name for name, mode in probe.properties.items() if "W" in mode]
    readable = [name for name in probe.properties if name not in settable]
    for heading, names in (("can be set", settable), ("can be read only", readable)):
        if names:
            yield Text(f"{probe.device}, {heading}:")
            yield Padding(Text(" ".join(names)), (0, 0, 0, 2))
